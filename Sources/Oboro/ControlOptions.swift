import ArgumentParser
import Foundation
import Generation
import Interchange
import MPI
import Models
import Pictures
import Tensors

/// The input images of control networks.
struct ControlOptions: ParsableArguments {
  @Option(
    name: .customLong("control"), parsing: .upToNextOption,
    help: ArgumentHelp(
      "The picture that a control network sees, and how strongly it counts; several for several networks, or at once for one.",
      valueName: "image[:strength]"))
  var texts: [String] = []

  @Option(
    name: .customLong("control-network"), parsing: .upToNextOption,
    help: ArgumentHelp(
      "A further control network: a run, a checkpoint, a safetensors file, or diffusers' folder of a ControlNetModel.",
      valueName: "path"))
  var paths: [String] = []

  @Option(
    name: .customLong("control-filter"),
    help: "What is made of the pictures before a network sees them: \(kinds).")
  var filter: PictureFilterOptions.Kind?

  @OptionGroup var filters: PictureFilterOptions

  private static let kinds = PictureFilterOptions.Kind.allCases.map(\.rawValue).joined(separator: ", ")

  /// A network with its weights.
  typealias Network = (network: any ControlNetwork, weights: ParameterBuffer)

  func validate() throws {
    if texts.isEmpty, filter != nil {
      throw ValidationError("--control-filter is of --control, which is missing")
    }
  }

  /// The networks at `paths`. Collective.
  ///
  /// - Throws: `CollectiveFailure`, `MPIError`.
  func load(for denoiser: any Denoiser, on communicator: Communicator) throws -> [Network] {
    try paths.map { path in
      let control = try FrozenControl.load(path, on: communicator)
      try communicator.agree {
        do {
          try control.network.check(denoiser)
        } catch {
          throw ModelError("\(path): \(error)")
        }
      }
      return (control.network, control.weights)
    }
  }

  /// The controls of a denoiser with the output shape `shape` [H, W, C].
  ///
  /// - Parameters:
  ///   - networks: all control networks.
  ///   - imageChannels: the channels of the final images.
  /// - Throws: `PictureError`, `FileError`; `ModelError`, `StartImageError` for images that do not fit.
  func read(_ networks: [Network], shape: [Int], imageChannels: Int) throws -> [SampleControl] {
    guard !networks.isEmpty else {
      guard texts.isEmpty else { throw ModelError("the model has no control network: leave --control away") }
      return []
    }
    guard !texts.isEmpty else {
      throw ModelError("the model draws what a picture controls: give it one with --control")
    }
    guard networks.count == 1 || networks.count == texts.count else {
      throw ModelError(
        "there are \(networks.count) control networks: --control takes a picture for each, in their order, and got "
          + "\(texts.count)")
    }
    let parts = texts.map(Self.parts)
    func condition(_ index: Int, _ network: any ControlNetwork) throws -> SampleControl.Condition {
      SampleControl.Condition(
        [try image(parts[index].path, for: network, shape: shape, imageChannels: imageChannels)],
        strength: parts[index].strength)
    }
    if networks.count == 1 {
      let (network, weights) = networks[0]
      return [SampleControl(network, weights: weights, try parts.indices.map { try condition($0, network) })]
    }
    return try networks.enumerated().map { index, control in
      SampleControl(control.network, weights: control.weights, [try condition(index, control.network)])
    }
  }

  /// The path and the strength of a picture.
  private static func parts(_ text: String) -> (path: String, strength: Float) {
    guard let colon = text.lastIndex(of: ":"), !FileManager.default.fileExists(atPath: text),
      let strength = Float(text[text.index(after: colon)...]), strength.isFinite
    else { return (text, 1) }
    return (String(text[..<colon]), strength)
  }

  /// The picture as the network's input, [s H, s W, C] from 0 to 1.
  private func image(
    _ path: String, for network: any ControlNetwork, shape: [Int], imageChannels: Int
  ) throws -> [Float] {
    guard [1, 3].contains(network.conditionChannels) else {
      throw StartImageError(
        "the control network sees \(network.conditionChannels) channels, and pictures have 1 or 3")
    }
    // Edges and masks are computed from pictures with the channels of the final images, as in `oboro prepare`.
    let isOfImages = filter == .edges || filter == .mask
    var picture = try ImageFile(path)
      .decode(channels: isOfImages ? imageChannels == 1 ? 1 : 3 : network.conditionChannels)
    if let filter { picture = filters.filter(filter)(picture) }
    if network.conditionChannels == 3 { picture = picture.coloured }
    let sides = [network.conditionScale * shape[0], network.conditionScale * shape[1]]
    guard [picture.height, picture.width] == sides else {
      throw StartImageError(
        "\(path) is \(picture.height)x\(picture.width) (height x width), and the control network sees "
          + "\(sides[0])x\(sides[1])")
    }
    return picture.samples.map { Float($0) / 255 }
  }
}
