import ArgumentParser
import Datasets
import Files
import Foundation
import Reporting

/// `oboro prepare`: makes a dataset directory.
struct Prepare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a dataset to train on.",
    discussion: """
      The samples are spread evenly over HDF5 files (shards), with a manifest, dataset.json, beside them. A dataset is \
      complete or not there: an interrupted command leaves none, and can be given again. The same input gives the same \
      bytes.

      oboro prepare fashion-mnist --output data/fashion-mnist
      oboro prepare images --source photos --size 64 --output data/photos
      """,
    subcommands: [
      PrepareImages.self, PrepareNumPy.self, PrepareHDF5.self, PrepareCIFAR10.self, PrepareFashionMNIST.self,
      PrepareMNIST.self, PrepareEmoji.self, PrepareShapes.self, PrepareReactionDiffusion.self,
    ])
}

/// Options shared by all datasets.
struct PrepareOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("The directory to make, or that holds an earlier copy to replace.", valueName: "dir"))
  var output: String

  @Option(
    help: ArgumentHelp("How many files to spread the images over; as many as suit their size if not given."))
  var shards: Int?

  @Option(help: "The part of the dataset, train or test.")
  var split: Split = .train

  @OptionGroup var conditions: ConditionOptions

  @OptionGroup var vocabulary: VocabularyOptions

  @OptionGroup var threadOptions: ThreadOptions

  func validate() throws {
    if let shards, !(1...99_999).contains(shards) {
      throw ValidationError("--shards must be 1 to 99999, is \(shards)")
    }
  }

  var threads: Int {
    get throws { try threadOptions.count(environment: ProcessInfo.processInfo.environment) }
  }

  /// Writes the samples, with a progress bar, and prints a summary.
  ///
  /// - Parameter skipsUnreadable: whether unreadable images are skipped and listed.
  func write(_ images: any SampleSource, skipsUnreadable: Bool = false) throws {
    if let shards, shards > images.count {
      throw ValidationError("--shards \(shards) are more than the \(images.count) images")
    }
    try vocabulary.requireCaptions(images)
    let console = Console()
    let images = try conditions.added(to: images, threadCount: try threads, console)
    let bar = ProgressBar("prepare", total: images.count, console: console)
    let writer = DatasetWriter(directory: output, shardCount: shards, threadCount: try threads)
    var skipped = 0
    let manifest: DatasetManifest
    do {
      if skipsUnreadable {
        manifest = try writer.writeReadable(images, progress: { bar.update($0) }) { reason in
          skipped += 1
          if skipped <= Self.shownReasons { console.print("left out: \(reason)") }
        }
      } else {
        manifest = try writer.write(images) { bar.update($0) }
      }
      bar.finish()
    } catch {
      bar.finish()
      throw error
    }
    try print(summary(manifest, skipped: skipped))
    if let line = try vocabulary.write(of: output) { try print(line) }
  }

  /// The maximum number of unreadable pictures named on the terminal.
  private static let shownReasons = 20

  private func summary(_ manifest: DatasetManifest, skipped: Int) -> String {
    func path(_ name: String) -> String { URL(fileURLWithPath: output).appendingPathComponent(name).path }
    let bytes = manifest.shards.reduce(0) { sum, shard in
      sum + ((try? WholeFile.size(path(shard.file))) ?? 0)
    }
    let megabytes = String(format: "%.1f", Double(bytes) / 1e6)
    let classes = manifest.classNames
    let names = classes.prefix(8).joined(separator: ", ") + (classes.count > 8 ? ", ..." : "")
    let images =
      manifest.field(.image).map { "images of " + $0.shape.map { "\($0)" }.joined(separator: " x ") }
      ?? "samples"
    var lines = [
      "\(output): \(manifest.name), split \(manifest.split)",
      "  \(manifest.count) \(images)",
      "  \(classes.count) classes" + (classes.isEmpty ? "" : ": \(names)"),
      "  \(manifest.shards.count) \(manifest.shards.count == 1 ? "shard" : "shards"), \(megabytes) MB",
    ]
    // Fields present in every dataset are not listed.
    lines += manifest.fields.filter { $0.role != .label && ($0.role != .image || $0.type != .uint8) }.map(
      Self.words)
    if skipped > 0 {
      lines.append("  \(skipped) could not be read and are left out: \(path(DatasetWriter.unreadableName))")
    }
    return lines.joined(separator: "\n")
  }
}

extension PrepareOptions {
  /// A one-line description of a field.
  private static func words(_ field: Field) -> String {
    let shape = field.shape.isEmpty ? "" : " " + field.shape.map { "\($0)" }.joined(separator: " x ")
    var words = "  \(field.name): \(field.role.rawValue), \(field.type.rawValue)\(shape)"
    if let normalization = field.normalization {
      words += ", normalized (\(normalization.kind.rawValue))"
    } else if let statistics = field.statistics, let least = statistics.minimum.min(),
      let greatest = statistics.maximum.max()
    {
      words += String(
        format: ", from %g to %g, as they are (--normalize brings them to about [-1, 1])", least, greatest)
    }
    return words
  }
}

extension Split: ExpressibleByArgument {}
extension Normalization.Kind: ExpressibleByArgument {}
extension ArrayImport.Missing: ExpressibleByArgument {}

/// Names and metadata of the images in a file.
struct ArrayOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The dataset's name; that of the file, without its end, if not given."))
  var name: String?

  @Option(
    help: ArgumentHelp("The classes' names, label 0 first, with commas between.", valueName: "name,name,..."))
  var classes: String?

  @Option(
    help: ArgumentHelp(
      "Arrays whose channels are put one behind another, in place of --images.", valueName: "name,name,..."))
  var variables: String?

  @Option(
    help: ArgumentHelp(
      "What the dimensions are: N samples, H rows, W columns, C channels; NHW or NHWC if not given.",
      valueName: "letters"))
  var layout: String?

  @Flag(help: "The images lie as [N, C, H, W], PyTorch's order: --layout NCHW.")
  var channelsFirst = false

  @Option(
    help: ArgumentHelp(
      "Bring each channel to mean 0 and deviation 1 (standard), or to -1 to 1 (min-max); stored as float32.",
      valueName: "standard|min-max"))
  var normalize: Normalization.Kind?

  @Option(
    help: ArgumentHelp(
      "What becomes of NaN and of the _FillValue: an error, or 0 with a field that tells where they are.",
      valueName: "refuse|mask"))
  var missing = ArrayImport.Missing.refuse

  @Option(
    help: ArgumentHelp(
      "Another field: its role (condition, scalar, embedding, caption, ...) and its arrays. May be given again.",
      valueName: "role=name,name,..."))
  var field: [String] = []

  func validate() throws {
    if let layout, AxisOrder(layout) == nil {
      throw ValidationError("--layout must have H and W, and may have N and C, once each, is \(layout)")
    }
    if layout != nil && channelsFirst {
      throw ValidationError("--channels-first and --layout exclude each other")
    }
    for text in field where extra(text) == nil {
      throw ValidationError("--field must be ROLE=NAME or ROLE=NAME,NAME, is \(text)")
    }
  }

  private func extra(_ text: String) -> ArrayImport.Extra? {
    guard let equals = text.firstIndex(of: "="), equals != text.startIndex else { return nil }
    let names = list(String(text[text.index(after: equals)...]))
    guard !names.contains("") else { return nil }
    return ArrayImport.Extra(role: FieldRole(rawValue: String(text[..<equals])), variables: names)
  }

  private func list(_ text: String) -> [String] {
    text.split(separator: ",", omittingEmptySubsequences: false).map {
      $0.trimmingCharacters(in: .whitespaces)
    }
  }

  /// The import described by the options.
  func arrays(images: String?, labels: String?) throws -> ArrayImport {
    if images != nil && variables != nil {
      throw ValidationError("--images and --variables exclude each other")
    }
    var options = ArrayImport(images: variables.map(list) ?? images.map { [$0] } ?? [], labels: labels)
    options.extras = field.compactMap(extra)
    options.classNames = classNames
    options.order = layout.flatMap(AxisOrder.init) ?? (channelsFirst ? AxisOrder("NCHW") : nil)
    options.normalization = normalize
    options.missing = missing
    return options
  }

  func name(of file: String) -> String {
    name ?? URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
  }

  var classNames: [String]? {
    classes.map(list)
  }
}
