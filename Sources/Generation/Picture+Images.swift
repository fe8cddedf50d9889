import Datasets
import Foundation
import Pictures

extension Picture {
  /// Each image of `images` [n, H, W, C] as a picture: grey or coloured, or like `plots` for other numbers of channels.
  static func all(of images: some RandomAccessCollection<Float>, shape: [Int]) -> [Picture] {
    guard shape[2] == 1 || shape[2] == 3 else { return plots(of: images, shape: shape) }
    let size = shape.reduce(1, *)
    return (0..<images.count / size).map { index in
      let start = images.index(images.startIndex, offsetBy: index * size)
      return Picture(
        width: shape[1], height: shape[0], channels: shape[2],
        signed: images[start..<images.index(start, offsetBy: size)])
    }
  }

  /// Each image of `images` [n, H, W, C] with its channels side by side in a grid, through a colour map that spans the
  /// smallest to the largest value of the channel over all images.
  static func plots(of images: some RandomAccessCollection<Float>, shape: [Int]) -> [Picture] {
    let size = shape.reduce(1, *)
    let ranges = ranges(of: images, channels: shape[2])
    return (0..<images.count / size).map { index in
      let start = images.index(images.startIndex, offsetBy: index * size)
      return Picture(
        field: Array(images[start..<images.index(start, offsetBy: size)]), shape: shape, ranges: ranges)
    }
  }

  /// The colour scale of `plots`, in the units of a field's source.
  ///
  /// - Throws: `PictureError` if there is not enough memory for the text.
  static func scale(
    of images: some RandomAccessCollection<Float>, _ field: Field, width: Int
  ) throws -> Picture {
    let ranges = ranges(of: images, channels: field.channelCount)
    return try ColourScale(
      zip(field.channelNames, field.channelUnits).enumerated().map { channel, words in
        func number(_ value: Float) -> String {
          String(format: "%.4g", field.sourceValue(value, channel: channel))
        }
        return .init(
          name: words.0 + (words.1.map { " [\($0)]" } ?? ""), least: number(ranges[channel].lowerBound),
          greatest: number(ranges[channel].upperBound))
      }
    ).picture(width: width)
  }

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
