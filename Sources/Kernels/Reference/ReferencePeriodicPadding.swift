/// Scalar reference for `PeriodicPadding`.
public enum ReferencePeriodicPadding {
  public static func forward(
    _ x: UnsafePointer<Float>, batch: Int, height: Int, width: Int, channels: Int, before: Int, behind: Int,
    output: UnsafeMutablePointer<Float>
  ) {
    var place = 0
    visit(batch, height, width, channels, before, behind) { source in
      output[place] = x[source]
      place += 1
    }
  }

  /// The gradient of each pixel is the sum over its copies.
  public static func backward(
    _ outputGradient: UnsafePointer<Float>, batch: Int, height: Int, width: Int, channels: Int, before: Int,
    behind: Int, inputGradient: UnsafeMutablePointer<Float>
  ) {
    var sums = [Double](repeating: 0, count: batch * height * width * channels)
    var place = 0
    visit(batch, height, width, channels, before, behind) { source in
      sums[source] += Double(outputGradient[place])
      place += 1
    }
    for index in sums.indices { inputGradient[index] = Float(sums[index]) }
  }

  /// Calls `body` for each value of the output, in order, with the index of its source in the input.
  private static func visit(
    _ batch: Int, _ height: Int, _ width: Int, _ channels: Int, _ before: Int, _ behind: Int,
    _ body: (Int) -> Void
  ) {
    for image in 0..<batch {
      for row in -before..<height + behind {
        for column in -before..<width + behind {
          let (y, x) = ((row + height * before) % height, (column + width * before) % width)
          for channel in 0..<channels { body(((image * height + y) * width + x) * channels + channel) }
        }
      }
    }
  }
}
