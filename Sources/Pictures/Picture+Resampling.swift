extension Picture {
  /// The picture resized bit-identically to Pillow's `resize` with its bicubic filter: Keys' kernel (a = -1/2), widened
  /// to the area that a new pixel covers when downsampling. Rows are resampled first, then columns, with bytes in
  /// between; since version 13, Pillow uses the other order for some sizes.
  public func bicubic(width: Int, height: Int) -> Picture {
    precondition(width > 0 && height > 0, "resampled to \(width) x \(height)")
    var picture = self
    if width != self.width {
      let axis = FixedPointAxis(from: self.width, to: width)
      picture = Picture(
        width: width, height: self.height, channels: channels,
        samples: axis.resampled(
          samples, outer: self.height, old: self.width, inner: channels))
    }
    if height != self.height {
      let axis = FixedPointAxis(from: self.height, to: height)
      picture = Picture(
        width: width, height: height, channels: channels,
        samples: axis.resampled(
          picture.samples, outer: 1, old: self.height, inner: width * channels))
    }
    return picture
  }

  /// The part of the picture of `width` x `height` pixels with its first pixel at row `top` and column `left`.
  public func cropped(top: Int, left: Int, width: Int, height: Int) -> Picture {
    precondition(
      top >= 0 && left >= 0 && top + height <= self.height && left + width <= self.width,
      "\(height) x \(width) at (\(top), \(left)) of \(self.height) x \(self.width)")
    return Picture(
      width: width, height: height, channels: channels,
      samples: (top..<top + height).flatMap { row in
        let start = (row * self.width + left) * channels
        return samples[start..<start + width * channels]
      })
  }

  /// The picture with this number of channels: grey is replicated; colours become their luma (ITU-R BT.601), as in
  /// Pillow.
  public func converted(toChannels wanted: Int) -> Picture {
    guard wanted != channels else { return self }
    if wanted == 3 {
      return Picture(width: width, height: height, channels: 3, samples: samples.flatMap { [$0, $0, $0] })
    }
    let grey = stride(from: 0, to: samples.count, by: 3).map { place in
      // Fixed point with 16 fractional bits, rounded to nearest.
      let sum =
        19_595 * UInt32(samples[place]) + 38_470 * UInt32(samples[place + 1])
        + 7_471 * UInt32(samples[place + 2]) + 0x8000
      return UInt8(sum >> 16)
    }
    return Picture(width: width, height: height, channels: 1, samples: grey)
  }
}

/// Resampling weights along one axis, in Pillow's fixed-point arithmetic (`Resample.c`).
private struct FixedPointAxis {
  /// For each new pixel, the first old pixel and the weights from there on.
  private let taps: [(first: Int, weights: [Int32])]

  /// Fractional bits of a weight: of 32, 8 are for the byte and 2 for overshoot.
  private static let precision = 32 - 8 - 2
  /// Radius of the kernel in old pixels.
  private static let support = 2.0

  init(from old: Int, to count: Int) {
    let scale = Double(old) / Double(count)
    let stretch = max(scale, 1)
    taps = (0..<count).map { pixel in
      let center = (Double(pixel) + 0.5) * scale
      let reach = Self.support * stretch
      let first = max(Int(center - reach + 0.5), 0)
      let end = min(Int(center + reach + 0.5), old)
      var weights = (first..<end).map { Self.cubic((Double($0) - center + 0.5) / stretch) }
      let sum = weights.reduce(0, +)
      if sum != 0 { weights = weights.map { $0 / sum } }
      return (
        first,
        weights.map { Int32(($0 * Double(1 << Self.precision) + ($0 < 0 ? -0.5 : 0.5)).rounded(.towardZero)) }
      )
    }
  }

  /// - Parameter samples: [outer, old, inner].
  /// - Returns: [outer, new, inner].
  func resampled(_ samples: [UInt8], outer: Int, old: Int, inner: Int) -> [UInt8] {
    var result = [UInt8]()
    result.reserveCapacity(outer * taps.count * inner)
    for block in 0..<outer {
      for (first, weights) in taps {
        for place in 0..<inner {
          var sum = Int32(1) << (Self.precision - 1)
          for (tap, weight) in weights.enumerated() {
            sum &+= weight &* Int32(samples[(block * old + first + tap) * inner + place])
          }
          result.append(UInt8(min(max(sum >> Self.precision, 0), 255)))
        }
      }
    }
    return result
  }

  /// Keys' kernel with a = -1/2.
  private static func cubic(_ distance: Double) -> Double {
    let x = abs(distance)
    let a = -0.5
    if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
    return 0
  }
}
