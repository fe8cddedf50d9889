import ArgumentParser
import Generation
import Models
import Pictures

/// Options for the image from which sampling starts.
struct StartImageOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A picture to draw from in place of noise alone, of a size that the model takes.", valueName: "image"))
  var image: String?

  @Option(
    help: "How far from --image to go, above 0 to 1: the part of the steps. (default: 0.8; with --mask 1)")
  var strength: Double?

  @Option(
    help: ArgumentHelp(
      "A picture as large as --image: what is white is drawn anew, what is black is kept.", valueName: "image"
    ))
  var mask: String?

  private static let usualStrength = 0.8

  func validate() throws {
    guard image != nil else {
      if strength != nil { throw ValidationError("--strength is of --image, which is missing") }
      if mask != nil { throw ValidationError("--mask is of --image, which is missing") }
      return
    }
    if let strength, !(strength > 0 && strength <= 1) {
      throw ValidationError("--strength must be above 0 and at most 1, is \(strength)")
    }
  }

  /// The start image for a model that draws `shape` [H, W, C], with the resulting shape of the images; nil if there is
  /// none.
  ///
  /// - Parameters:
  ///   - decoder: for a model of latents.
  ///   - isAnySize: whether the model also draws images of other sizes.
  /// - Throws: `PictureError`, `FileError`, `StartImageError`, `ModelError`.
  func read(
    shape: [Int], decoder: LatentDecoder?, isAnySize: Bool
  ) throws -> (start: StartImage, shape: [Int])? {
    guard let image else { return nil }
    let channels = decoder?.imageChannels ?? shape[2]
    guard [1, 3].contains(channels) else {
      throw StartImageError("the model draws images of \(channels) channels, and pictures have 1 or 3")
    }
    let picture = try ImageFile(image).decode(channels: channels)
    let sides = [picture.height, picture.width, channels]
    let expected = decoder?.imageShape(of: shape) ?? shape
    guard isAnySize || Array(sides[..<2]) == Array(expected[..<2]) else {
      throw StartImageError(
        "\(image) is \(sides[0])x\(sides[1]) (height x width), and the model draws \(expected[0])x\(expected[1])"
      )
    }
    let values = picture.samples.map { Float($0) / 127.5 - 1 }
    let drawn = try decoder?.latents(of: values, shape: sides) ?? values
    let drawnShape = decoder?.latentShape(of: sides) ?? sides
    let mask = try self.mask.map {
      try Self.mask($0, of: picture, image, step: decoder?.downsampling ?? 1)
    }
    return (
      StartImage(
        drawn, channels: drawnShape[2], strength: strength ?? (mask == nil ? Self.usualStrength : 1),
        mask: mask), drawnShape
    )
  }

  /// For each latent pixel, whether it is redrawn: decided by the first image pixel that it covers, where grey levels
  /// of 128 and above count as white, as in diffusers.
  private static func mask(_ path: String, of image: Picture, _ imagePath: String, step: Int) throws
    -> [Float]
  {
    let mask = try ImageFile(path).decode(channels: 1)
    guard (mask.width, mask.height) == (image.width, image.height) else {
      throw StartImageError(
        "the mask \(path) is \(mask.height)x\(mask.width) (height x width), and \(imagePath) "
          + "\(image.height)x\(image.width): they must be of one size")
    }
    return stride(from: 0, to: mask.height, by: step).flatMap { y in
      stride(from: 0, to: mask.width, by: step).map { x in
        mask.samples[y * mask.width + x] >= 128 ? 1 : 0
      }
    }
  }
}

/// An image from which sampling cannot start.
struct StartImageError: Error, CustomStringConvertible, ExitStatusProviding {
  let description: String

  init(_ description: String) { self.description = description }

  var exitStatus: ExitStatus { .badData }
}
