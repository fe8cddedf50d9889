/// Pooling layers of Inception-v3 over 3 x 3 pixels, on the calling thread.
enum Pooling {
  /// Average pooling with stride 1; pixels outside the map do not count (`count_include_pad=False`).
  static func average(_ input: FeatureMap, _ pass: InferencePass) -> FeatureMap {
    pool(input, stride: 1, padding: 1, pass) { sum, values, count in
      for channel in 0..<count { sum[channel] += values[channel] }
    } finish: { sum, channels, pixels in
      let count = Float(pixels)
      for channel in 0..<channels { sum[channel] /= count }
    }
  }

  /// Max pooling.
  static func largest(_ input: FeatureMap, stride: Int, padding: Int, _ pass: InferencePass) -> FeatureMap {
    pool(input, stride: stride, padding: padding, pass) { result, values, count in
      for channel in 0..<count {
        // Not `max`, to preserve NaN.
        if !(values[channel] <= result[channel]) { result[channel] = values[channel] }
      }
    } finish: { _, _, _ in
    }
  }

  /// The mean over all pixels, [C], summed in float64.
  static func globalAverage(_ input: FeatureMap, into result: UnsafeMutablePointer<Float>) {
    for channel in 0..<input.channels {
      let sum = (0..<input.pixels).reduce(0.0) { $0 + Double(input.elements[$1 * input.channels + channel]) }
      result[channel] = Float(sum / Double(input.pixels))
    }
  }

  private static let side = 3

  /// Copies the first pixel of each neighbourhood and calls `add` for each of the others.
  @inline(__always)
  private static func pool(
    _ input: FeatureMap, stride: Int, padding: Int, _ pass: InferencePass,
    _ add: (UnsafeMutablePointer<Float>, UnsafePointer<Float>, Int) -> Void,
    finish: (UnsafeMutablePointer<Float>, _ channels: Int, _ pixels: Int) -> Void
  ) -> FeatureMap {
    let c = input.channels
    let output = pass.map(
      (input.height + 2 * padding - side) / stride + 1, (input.width + 2 * padding - side) / stride + 1, c)
    for row in 0..<output.height {
      let rows = max(row * stride - padding, 0)..<min(row * stride - padding + side, input.height)
      for column in 0..<output.width {
        let columns = max(column * stride - padding, 0)..<min(column * stride - padding + side, input.width)
        let target = output.elements + (row * output.width + column) * c
        var isFirst = true
        for y in rows {
          for x in columns {
            let pixel = UnsafePointer(input.elements + (y * input.width + x) * c)
            if isFirst { target.update(from: pixel, count: c) } else { add(target, pixel, c) }
            isFirst = false
          }
        }
        finish(target, c, rows.count * columns.count)
      }
    }
    return output
  }
}
