extension Picture {
  /// The largest centred crop with the aspect ratio of `width` x `height`, scaled to that size.
  ///
  /// Both directions are scaled by the same factor. When shrinking, each new pixel is the mean of the area it covers,
  /// with partial pixels weighted accordingly; when enlarging, pixels are interpolated with Keys' cubic convolution (a
  /// = -1/2; "Cubic convolution interpolation for digital image processing", 1981, equation 15), and overshoot is
  /// clamped. Samples are not linearised (no gamma correction).
  public func fitted(width: Int, height: Int) -> Picture {
    precondition(width > 0 && height > 0, "fitted to \(width) x \(height)")
    if width == self.width && height == self.height { return self }
    let scale = min(Double(self.width) / Double(width), Double(self.height) / Double(height))
    let columns = ResamplingAxis(from: self.width, to: width, scale: scale)
    let rows = ResamplingAxis(from: self.height, to: height, scale: scale)
    return Picture(
      width: width, height: height, channels: channels,
      samples: [UInt8](unsafeUninitializedCapacity: width * height * channels) { result, count in
        samples.withUnsafeBufferPointer { resample($0, rows, columns, into: result) }
        count = width * height * channels
      })
  }

  /// - Parameters:
  ///   - source: this picture's samples, `[H, W, C]`.
  ///   - result: `[rows.count, columns.count, C]`.
  private func resample(
    _ source: UnsafeBufferPointer<UInt8>, _ rows: ResamplingAxis, _ columns: ResamplingAxis,
    into result: UnsafeMutableBufferPointer<UInt8>
  ) {
    let (length, resultLength) = (width * channels, columns.count * channels)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: length) { row in
      for y in 0..<rows.count {
        // Vertical first: accumulation over whole rows is vectorised, and leaves less work for the horizontal pass.
        row.initialize(repeating: 0)
        for (tap, weight) in rows.weights(y).enumerated() {
          let start = (rows.first[y] + tap) * length
          for x in 0..<length { row[x] += weight * Float(source[start + x]) }
        }
        for x in 0..<columns.count {
          let (first, weights) = (columns.first[x], columns.weights(x))
          for channel in 0..<channels {
            var sum: Float = 0
            var place = first * channels + channel
            for weight in weights {
              sum += weight * row[place]
              place += channels
            }
            // Rounded to nearest; cubic interpolation may leave the range.
            result[y * resultLength + x * channels + channel] = UInt8(min(max(sum + 0.5, 0), 255))
          }
        }
      }
    }
  }
}

/// The resampling weights of one direction.
private struct ResamplingAxis {
  /// The number of new pixels.
  let count: Int
  /// The first old pixel that contributes to each new pixel.
  private(set) var first: [Int] = []
  /// The weights of all new pixels, concatenated.
  private var all: [Float] = []
  /// The start of each new pixel's weights in `all`, followed by the end of the last.
  private var bounds = [0]

  /// - Parameter scale: old pixels per new pixel. The remainder is cropped on both sides.
  init(from old: Int, to count: Int, scale: Double) {
    self.count = count
    let margin = (Double(old) - Double(count) * scale) / 2
    for pixel in 0..<count {
      if scale >= 1 {
        // Aligned to a boundary between old pixels, so that integer factors do not blur.
        let low = margin.rounded(.down) + Double(pixel) * scale
        addMean(of: low, low + scale, old)
      } else {
        addCubic(at: margin + (Double(pixel) + 0.5) * scale - 0.5, old)
      }
    }
  }

  func weights(_ pixel: Int) -> ArraySlice<Float> { all[bounds[pixel]..<bounds[pixel + 1]] }

  private mutating func addMean(of low: Double, _ high: Double, _ old: Int) {
    let first = min(Int(low), old - 1)
    let end = min(max(Int(high.rounded(.up)), first + 1), old)
    add(first, (first..<end).map { max(0, min(Double($0) + 1, high) - max(Double($0), low)) })
  }

  private mutating func addCubic(at center: Double, _ old: Int) {
    let base = Int(center.rounded(.down))
    let taps = max(base - 1, 0)...min(base + 2, old - 1)
    add(taps.lowerBound, taps.map { Self.cubic(abs(center - Double($0))) })
  }

  /// Adds the weights of a new pixel, normalised to sum to 1, since some are missing at the edges.
  private mutating func add(_ first: Int, _ weights: [Double]) {
    let sum = weights.reduce(0, +)
    self.first.append(first)
    all += weights.map { Float($0 / sum) }
    bounds.append(all.count)
  }

  /// Keys' kernel for distances in 0...2.
  private static func cubic(_ x: Double) -> Double {
    if x < 1 { return (1.5 * x - 2.5) * x * x + 1 }
    if x < 2 { return ((-0.5 * x + 2.5) * x - 4) * x + 2 }
    return 0
  }
}
