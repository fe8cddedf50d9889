/// Reference implementation of `NearestUpsampling` for tests: [B, H, W, C] -> [B, 2H, 2W, C], pixel by pixel.
public enum ReferenceNearestUpsampling {
  public static func forward(
    _ x: UnsafePointer<Float>, batch: Int, height: Int, width: Int, channels: Int,
    output: UnsafeMutablePointer<Float>
  ) {
    for image in 0..<batch {
      for row in 0..<2 * height {
        for column in 0..<2 * width {
          for channel in 0..<channels {
            output[((image * 2 * height + row) * 2 * width + column) * channels + channel] =
              x[((image * height + row / 2) * width + column / 2) * channels + channel]
          }
        }
      }
    }
  }

  /// The gradient of a pixel is the sum of the gradients of its four copies.
  public static func backward(
    _ outputGradient: UnsafePointer<Float>, batch: Int, height: Int, width: Int, channels: Int,
    inputGradient: UnsafeMutablePointer<Float>
  ) {
    var sums = [Double](repeating: 0, count: batch * height * width * channels)
    for image in 0..<batch {
      for row in 0..<2 * height {
        for column in 0..<2 * width {
          for channel in 0..<channels {
            sums[((image * height + row / 2) * width + column / 2) * channels + channel] += Double(
              outputGradient[((image * 2 * height + row) * 2 * width + column) * channels + channel])
          }
        }
      }
    }
    for index in sums.indices { inputGradient[index] = Float(sums[index]) }
  }
}
