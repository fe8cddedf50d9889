import Pictures

extension Picture {
  /// Each image of `images` [n, H, W, C] as a picture: grey or coloured, or for other numbers of channels these beside
  /// and below one another in the colours of a map, each from its least value to its greatest in all the images.
  static func all(of images: some RandomAccessCollection<Float>, shape: [Int]) -> [Picture] {
    let size = shape.reduce(1, *)
    let ranges = isPicture(shape) ? [] : ranges(of: images, channels: shape[2])
    return (0..<images.count / size).map { index in
      let start = images.index(images.startIndex, offsetBy: index * size)
      let values = images[start..<images.index(start, offsetBy: size)]
      return isPicture(shape)
        ? Picture(width: shape[1], height: shape[0], channels: shape[2], signed: values)
        : Picture(field: Array(values), shape: shape, ranges: ranges)
    }
  }

  private static func isPicture(_ shape: [Int]) -> Bool { shape[2] == 1 || shape[2] == 3 }

  private static func ranges(
    of images: some RandomAccessCollection<Float>, channels: Int
  ) -> [ClosedRange<Float>] {
    var least = [Float](repeating: .infinity, count: channels)
    var greatest = [Float](repeating: -.infinity, count: channels)
    for (place, value) in images.enumerated() where value.isFinite {
      least[place % channels] = min(least[place % channels], value)
      greatest[place % channels] = max(greatest[place % channels], value)
    }
    return zip(least, greatest).map { $0 <= $1 ? $0...$1 : 0...0 }
  }

  /// - Parameter field: [H, W, C].
  private init(field: [Float], shape: [Int], ranges: [ClosedRange<Float>]) {
    let (height, width, channels) = (shape[0], shape[1], shape[2])
    let columns = Int(Double(channels).squareRoot().rounded(.up))
    let rows = (channels + columns - 1) / columns
    var samples = [UInt8](repeating: 128, count: 3 * rows * height * columns * width)
    for (channel, range) in ranges.enumerated() {
      let (top, left) = (channel / columns * height, channel % columns * width)
      let span = max(range.upperBound - range.lowerBound, .leastNormalMagnitude)
      for y in 0..<height {
        for x in 0..<width {
          let value = field[(y * width + x) * channels + channel]
          let place = 3 * ((top + y) * columns * width + left + x)
          samples.replaceSubrange(
            place..<place + 3, with: ColourMap.colour((value - range.lowerBound) / span))
        }
      }
    }
    self.init(width: columns * width, height: rows * height, channels: 3, samples: samples)
  }
}
