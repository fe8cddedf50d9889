/// A picture of 8-bit samples, channels last.
public struct Picture: Sendable, Equatable {
  public let width: Int
  public let height: Int
  /// 1 for grey; 3 for red, green, blue.
  public let channels: Int
  /// [H, W, C], top row first.
  public let samples: [UInt8]

  public init(width: Int, height: Int, channels: Int, samples: [UInt8]) {
    precondition(width > 0 && height > 0, "a picture of \(width) x \(height)")
    precondition(channels == 1 || channels == 3, "\(channels) channels: a picture has 1 or 3")
    precondition(
      samples.count == width * height * channels,
      "\(samples.count) samples for \(height) x \(width) x \(channels)")
    self.width = width
    self.height = height
    self.channels = channels
    self.samples = samples
  }

  /// Converts a model's image, [H, W, C] with values in [-1, 1]: sample = round((x + 1) * 127.5), halves away from
  /// zero. Values out of range, including infinities, are clamped; NaN becomes 0.
  public init(width: Int, height: Int, channels: Int, signed values: some Collection<Float>) {
    self.init(width: width, height: height, channels: channels, samples: values.map(Self.sample))
  }

  private static func sample(_ value: Float) -> UInt8 {
    let scaled = ((value + 1) * 127.5).rounded()
    // `max` with NaN as its second argument would return NaN; these comparisons give 0.
    return scaled > 0 ? UInt8(scaled < 255 ? scaled : 255) : 0
  }

  /// The picture with three channels: grey is replicated.
  public var coloured: Picture {
    guard channels == 1 else { return self }
    return Picture(
      width: width, height: height, channels: 3, samples: samples.flatMap { [$0, $0, $0] })
  }

  /// The picture with each pixel replicated to a square of `factor` x `factor` pixels.
  public func enlarged(by factor: Int) -> Picture {
    precondition(factor > 0, "enlarged by \(factor)")
    if factor == 1 { return self }
    var result = [UInt8]()
    result.reserveCapacity(samples.count * factor * factor)
    for y in 0..<height {
      var row = [UInt8]()
      row.reserveCapacity(width * factor * channels)
      for x in 0..<width {
        let pixel = samples[(y * width + x) * channels..<(y * width + x + 1) * channels]
        for _ in 0..<factor { row += pixel }
      }
      for _ in 0..<factor { result += row }
    }
    return Picture(width: width * factor, height: height * factor, channels: channels, samples: result)
  }

  /// The picture rotated or mirrored for display according to its EXIF orientation (tag 0x0112), 1...8.
  func oriented(_ orientation: Int) -> Picture {
    if orientation == 1 { return self }
    let isTransposed = orientation > 4
    let (newWidth, newHeight) = isTransposed ? (height, width) : (width, height)
    // In stored coordinates: whether the displayed left is on the right, and the displayed top at the bottom.
    let mirrorsX = [2, 3, 7, 8].contains(orientation)
    let mirrorsY = [3, 4, 6, 7].contains(orientation)
    var result = [UInt8]()
    result.reserveCapacity(samples.count)
    for row in 0..<newHeight {
      for column in 0..<newWidth {
        let (x, y) = isTransposed ? (row, column) : (column, row)
        let place = (mirrorsY ? height - 1 - y : y) * width + (mirrorsX ? width - 1 - x : x)
        result += samples[place * channels..<(place + 1) * channels]
      }
    }
    return Picture(width: newWidth, height: newHeight, channels: channels, samples: result)
  }
}
