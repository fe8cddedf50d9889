import Foundation

extension Picture {
  /// Applies a Gaussian blur, with the kernel truncated at three standard deviations and the picture's borders
  /// replicated.
  ///
  /// - Parameter deviation: standard deviation in pixels, above 0.
  public func blurred(deviation: Double) -> Picture {
    precondition(deviation > 0, "a deviation of \(deviation) pixels")
    let radius = Int((3 * deviation).rounded(.up))
    let weights = (-radius...radius).map { exp(-Double($0 * $0) / (2 * deviation * deviation)) }
    let sum = weights.reduce(0, +)
    let kernel = weights.map { Float($0 / sum) }
    let row = width * channels
    var values = samples.map(Float.init)
    values = Self.weighted(values, kernel, count: height, step: row) { ($0 / row, $0 % row) }
    values = Self.weighted(values, kernel, count: width, step: channels) {
      ($0 / channels % width, $0 / row * row + $0 % channels)
    }
    return Picture(
      width: width, height: height, channels: channels,
      samples: values.map { UInt8(min(max($0 + 0.5, 0), 255)) })
  }

  /// Convolves along one direction, whose samples are `step` apart.
  ///
  /// - Parameter line: returns the index of a sample along its line, and the start of the line in `values`.
  private static func weighted(
    _ values: [Float], _ kernel: [Float], count: Int, step: Int, _ line: (Int) -> (place: Int, start: Int)
  ) -> [Float] {
    let radius = kernel.count / 2
    return values.indices.map { index in
      let (place, start) = line(index)
      var sum: Float = 0
      for (tap, weight) in kernel.enumerated() {
        sum += weight * values[start + min(max(place + tap - radius, 0), count - 1) * step]
      }
      return sum
    }
  }
}
