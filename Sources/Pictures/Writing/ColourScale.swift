/// A legend for a colour map: a bar of all colours for each range, with the range's name, minimum and maximum above it.
public struct ColourScale: Sendable {
  public struct Entry: Hashable, Sendable {
    let name: String
    let least: String
    let greatest: String

    public init(name: String, least: String, greatest: String) {
      self.name = name
      self.least = least
      self.greatest = greatest
    }
  }

  private let entries: [Entry]

  private static let barHeight = 8
  private static let margin = 4

  public init(_ entries: [Entry]) { self.entries = entries }

  /// The bars stacked vertically.
  ///
  /// - Throws: ``PictureError`` if libgd runs out of memory.
  public func picture(width: Int) throws -> Picture {
    let lettering = Lettering()
    let left = Self.margin
    let length = max(width - 2 * Self.margin, 1)
    var samples: [UInt8] = []
    for entry in entries {
      samples += try lettering.picture(
        [(entry.least, .left), (entry.name, .middle), (entry.greatest, .right)], width: width
      )
      .samples
      var row = [UInt8](repeating: 255, count: 3 * width)
      for x in 0..<length where left + x < width {
        row.replaceSubrange(
          3 * (left + x)..<3 * (left + x) + 3,
          with: ColourMap.colour(Float(x) / Float(max(length - 1, 1))))
      }
      for _ in 0..<Self.barHeight { samples += row }
    }
    samples += [UInt8](repeating: 255, count: 3 * width * Self.margin)
    return Picture(width: width, height: samples.count / (3 * width), channels: 3, samples: samples)
  }
}

extension Picture {
  /// The picture with another of the same width below it.
  public func above(_ other: Picture) -> Picture {
    precondition(
      width == other.width && channels == other.channels,
      "\(width) x \(channels) above \(other.width) x \(other.channels)")
    return Picture(
      width: width, height: height + other.height, channels: channels, samples: samples + other.samples)
  }
}
