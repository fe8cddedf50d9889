import Safetensors

/// Initial noise for samplers, of unit variance: a safetensors file with one tensor, `latents` [B, C, H, W].
public struct LatentsFile {
  /// B.
  public let count: Int
  /// [H, W, C] of each.
  public let imageShape: [Int]
  /// [B, H, W, C].
  public let values: [Float]

  private static let tensor = "latents"

  /// - Parameters:
  ///   - shape: [H, W, C] of the images to be drawn.
  ///   - ofAnySize: whether images may have another height and width.
  /// - Throws: `ModelFileError`, `SafetensorsError`, `FileError`.
  public init(_ path: String, imageShape shape: [Int], ofAnySize: Bool = false) throws {
    let file = try SafetensorsFile(path: path)
    guard file.contains(Self.tensor) else {
      throw ModelFileError(
        path, "has no \(Self.tensor); it has \(file.names.sorted().joined(separator: ", "))")
    }
    let found = try file.shape(of: Self.tensor)
    let channels = shape[2]
    guard found.count == 4, found.allSatisfy({ $0 > 0 }), found[1] == channels,
      ofAnySize || Array(found[2...]) == Array(shape[..<2])
    else {
      let sides = ofAnySize ? "height, width" : "\(shape[0]), \(shape[1])"
      throw ModelFileError(
        path, "\(Self.tensor) has shape \(found), expected [number of images, \(channels), \(sides)]")
    }
    let (height, width) = (found[2], found[3])
    imageShape = [height, width, channels]
    let planes = try file.floats(Self.tensor)
    if let wrong = planes.firstIndex(where: { !$0.isFinite }) {
      throw ModelFileError(path, "\(Self.tensor) holds \(planes[wrong]) at place \(wrong)")
    }
    count = found[0]
    let pixels = height * width
    values = [Float](unsafeUninitializedCapacity: planes.count) { values, filled in
      for image in 0..<found[0] {
        for channel in 0..<channels {
          for pixel in 0..<pixels {
            values[(image * pixels + pixel) * channels + channel] =
              planes[(image * channels + channel) * pixels + pixel]
          }
        }
      }
      filled = planes.count
    }
  }
}
