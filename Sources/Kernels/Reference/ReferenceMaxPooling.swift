/// Reference implementation of `MaxPooling` for tests: [B, 2H, 2W, C] -> [B, H, W, C], pixel by pixel.
public enum ReferenceMaxPooling {
  public static func forward(
    _ x: UnsafePointer<Float>, batch: Int, height: Int, width: Int, channels: Int,
    output: UnsafeMutablePointer<Float>
  ) {
    for place in 0..<batch * height * width * channels {
      output[place] = x[largest(x, place, height, width, channels)]
    }
  }

  public static func backward(
    _ x: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>, batch: Int, height: Int, width: Int,
    channels: Int, inputGradient: UnsafeMutablePointer<Float>
  ) {
    let count = batch * height * width * channels
    inputGradient.update(repeating: 0, count: 4 * count)
    for place in 0..<count {
      inputGradient[largest(x, place, height, width, channels)] = outputGradient[place]
    }
  }

  /// The index in x of the first maximum among the elements under element `place` of the output.
  private static func largest(
    _ x: UnsafePointer<Float>, _ place: Int, _ height: Int, _ width: Int, _ channels: Int
  ) -> Int {
    let (channel, column) = (place % channels, place / channels % width)
    let row = place / channels / width
    let candidates = [(0, 0), (0, 1), (1, 0), (1, 1)].map { y, x in
      ((2 * row + y) * 2 * width + 2 * column + x) * channels + channel
    }
    return candidates.dropFirst().reduce(candidates[0]) { x[$1] > x[$0] ? $1 : $0 }
  }
}
