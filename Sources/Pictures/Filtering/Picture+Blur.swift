import Foundation

extension Picture {
  /// Each sample the mean of those around it, with the weights of a normal distribution cut off at three deviations.
  /// Beyond its borders the picture goes on as it is there.
  ///
  /// - Parameter deviation: in pixels, above 0.
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

  /// Weighted sums along one direction, whose samples lie `step` apart.
  ///
  /// - Parameter line: the place of a sample along its line, and where in `values` that begins.
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
