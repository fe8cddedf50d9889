import Safetensors

/// Noise for samplers to begin from, of unit variance: a safetensors file with one tensor, `latents` [B, C, H, W].
public struct LatentsFile {
  /// B.
  public let count: Int
  /// [B, H, W, C].
  public let values: [Float]

  private static let tensor = "latents"

  /// - Parameter shape: [H, W, C] of the images to be drawn.
  /// - Throws: `ModelFileError`, `SafetensorsError`, `FileError`.
  public init(_ path: String, imageShape shape: [Int]) throws {
    let file = try SafetensorsFile(path: path)
    guard file.contains(Self.tensor) else {
      throw ModelFileError(
        path, "has no \(Self.tensor); it has \(file.names.sorted().joined(separator: ", "))")
    }
    let found = try file.shape(of: Self.tensor)
    let (height, width, channels) = (shape[0], shape[1], shape[2])
    guard found.count == 4, found[0] > 0, Array(found[1...]) == [channels, height, width] else {
      throw ModelFileError(
        path,
        "\(Self.tensor) has shape \(found), expected [number of images, \(channels), \(height), \(width)]")
    }
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
