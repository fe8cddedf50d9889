import ArgumentParser
import Datasets
import Foundation
import Pictures
import Reporting

/// The filter that converts a picture to the input of a control network.
struct PictureFilterOptions: ParsableArguments {
  /// The filters, as named on the command line.
  enum Kind: String, CaseIterable, ExpressibleByArgument {
    case edges, blur, mask
  }

  @Option(
    help: ArgumentHelp(
      "Of edges: Canny's thresholds for |dx| + |dy| of Sobel's gradients.", valueName: "low,high"))
  var edgeThresholds = "100,200"

  @Option(
    help: ArgumentHelp(
      "Of blur: the deviation in pixels. (default: a sixteenth of the shorter side)", valueName: "pixels"))
  var blurDeviation: Double?

  func validate() throws {
    if thresholds == nil {
      throw ValidationError(
        "--edge-thresholds must be two whole numbers from 0 to 2040, the lower first, such as 100,200, is "
          + edgeThresholds)
    }
    if let blurDeviation, !(blurDeviation > 0 && blurDeviation <= 1000) {
      throw ValidationError("--blur-deviation must be above 0 and at most 1000, is \(blurDeviation)")
    }
  }

  private var thresholds: (low: Int, high: Int)? {
    let numbers = edgeThresholds.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard numbers.count == 2, let low = numbers[0], let high = numbers[1], 0 <= low, low <= high, high <= 2040
    else { return nil }
    return (low, high)
  }

  func filter(_ kind: Kind) -> PictureFilter {
    switch kind {
    case .edges: .edges(low: thresholds?.low ?? 0, high: thresholds?.high ?? 0)
    case .blur: .blur(deviation: blurDeviation)
    case .mask: .mask
    }
  }
}

/// Condition fields for control networks.
struct ConditionOptions: ParsableArguments {
  @Option(
    name: .customLong("condition"),
    help: ArgumentHelp(
      "Also keep what a control network is to see of each image; may be repeated.",
      discussion:
        "edges (Canny's), blur, mask (what stands before a plain background), or a folder with a picture of the same name for each picture of --source.",
      valueName: "edges|blur|mask|dir"))
  var names: [String] = []

  @OptionGroup var filters: PictureFilterOptions

  /// The samples with their conditions.
  ///
  /// - Throws: `DatasetError`; `ValidationError` if a folder of pictures is combined with samples that are not
  ///   pictures.
  func added(to images: any SampleSource, threadCount: Int, _ console: Console) throws -> any SampleSource {
    guard !names.isEmpty else { return images }
    return try Self.conditioned(images, names.map { try condition($0, of: images, threadCount, console) })
  }

  private static func conditioned(
    _ source: some SampleSource, _ conditions: [ImageCondition]
  ) throws -> any SampleSource {
    try ConditionedSource(source, conditions)
  }

  private func condition(
    _ name: String, of images: any SampleSource, _ threadCount: Int, _ console: Console
  ) throws -> ImageCondition {
    if let kind = PictureFilterOptions.Kind(rawValue: name) {
      return try ImageCondition(filters.filter(kind), name: name, of: images)
    }
    guard let pictures = images as? ImageFolderSource else {
      throw ValidationError(
        "--condition \(name): expected edges, blur or mask; a folder of pictures is for oboro prepare images")
    }
    let bar = ProgressBar("look", total: pictures.count, console: console)
    defer { bar.finish() }
    return try ImageCondition(
      picturesIn: name, name: URL(fileURLWithPath: name).standardizedFileURL.lastPathComponent, of: pictures,
      threadCount: threadCount
    ) { bar.update($0) }
  }
}
