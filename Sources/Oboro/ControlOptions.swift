import ArgumentParser
import Foundation
import Generation
import Models
import Pictures
import Tensors

/// The image that a control network sees.
struct ControlOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Of a pipeline with a control network: the picture that it sees, and how strongly it counts.",
      valueName: "image[:strength]"))
  var control: String?

  /// The picture's path, and the strength.
  private var parts: (path: String, strength: Float)? {
    guard let control else { return nil }
    guard let colon = control.lastIndex(of: ":"), !FileManager.default.fileExists(atPath: control),
      let strength = Float(control[control.index(after: colon)...]), strength.isFinite
    else { return (control, 1) }
    return (String(control[..<colon]), strength)
  }

  /// What controls a denoiser of `shape` [H, W, C]; nil if nothing does.
  ///
  /// - Parameter network: of the pipeline, with its weights; nil: it has none.
  /// - Throws: `PictureError`, `FileError`; `ModelError`, `StartImageError` for an image that does not fit.
  func read(
    _ network: (network: any ControlNetwork, weights: ParameterBuffer)?, shape: [Int]
  ) throws -> SampleControl? {
    guard let (network, weights) = network else {
      guard control == nil else {
        throw ModelError("the model has no control network: leave --control away")
      }
      return nil
    }
    guard let (path, strength) = parts else {
      throw ModelError("the pipeline draws what a picture controls: give it one with --control")
    }
    guard [1, 3].contains(network.conditionChannels) else {
      throw StartImageError(
        "the control network sees \(network.conditionChannels) channels, and pictures have 1 or 3")
    }
    let picture = try ImageFile(path).decode(channels: network.conditionChannels)
    let sides = [network.conditionScale * shape[0], network.conditionScale * shape[1]]
    guard [picture.height, picture.width] == sides else {
      throw StartImageError(
        "\(path) is \(picture.height)x\(picture.width) (height x width), and the control network sees "
          + "\(sides[0])x\(sides[1])")
    }
    return SampleControl(
      network, weights: weights, image: picture.samples.map { Float($0) / 255 }, strength: strength)
  }
}
