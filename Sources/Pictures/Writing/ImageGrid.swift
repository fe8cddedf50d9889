/// Arranges pictures of equal size in rows, from left to right and top to bottom.
public struct ImageGrid: Sendable {
  /// nil selects the least number for which the grid, counted in pictures, is at least as wide as it is high.
  public var columns: Int?
  /// Pixels around and between the pictures.
  public var padding: Int
  /// Each pixel of a picture becomes a square with this side: images of 28 x 28 are too small to look at.
  public var enlargement: Int
  /// The sample value of padding and empty cells, in all channels.
  public var background: UInt8

  public init(columns: Int? = nil, padding: Int = 2, enlargement: Int = 1, background: UInt8 = 128) {
    precondition(columns.map { $0 > 0 } ?? true, "a grid of \(columns ?? 0) columns")
    precondition(padding >= 0 && enlargement > 0, "padding \(padding), enlargement \(enlargement)")
    self.columns = columns
    self.padding = padding
    self.enlargement = enlargement
    self.background = background
  }

  /// The least enlargement that makes the longer side of a picture at least `pixels`.
  public static func enlargement(of width: Int, _ height: Int, toAtLeast pixels: Int = 64) -> Int {
    max(1, (pixels + max(width, height) - 1) / max(width, height))
  }

  /// The maximum number of lines in a caption.
  private static let captionLines = 3

  /// Combines `pictures`, which must be non-empty and of equal size, into one picture.
  ///
  /// - Parameter captions: the text below each picture.
  /// - Throws: ``PictureError`` if there is no memory to draw captions.
  public func compose(_ pictures: [Picture], captions: [String]) throws -> Picture {
    precondition(captions.count == pictures.count, "\(captions.count) captions of \(pictures.count) pictures")
    guard let first = pictures.first else { preconditionFailure("a grid of no pictures") }
    let lettering = Lettering()
    let width = first.width * enlargement
    let lines = captions.map { lettering.lines($0, width: width - 2, limit: Self.captionLines) }
    let count = lines.map(\.count).max() ?? 0
    var grid = self
    grid.enlargement = 1
    return grid.compose(
      try zip(pictures, lines).map { picture, lines in
        let strip = try lettering.picture(lines, count: count, width: width, channels: picture.channels)
        let enlarged = picture.enlarged(by: enlargement)
        return Picture(
          width: width, height: enlarged.height + strip.height, channels: picture.channels,
          samples: enlarged.samples + strip.samples)
      })
  }

  /// Combines `pictures`, which must be non-empty and of equal size, into one picture.
  public func compose(_ pictures: [Picture]) -> Picture {
    guard let first = pictures.first else { preconditionFailure("a grid of no pictures") }
    let (channels, width, height) = (first.channels, first.width * enlargement, first.height * enlargement)
    let columns = columns ?? Int(Double(pictures.count).squareRoot().rounded(.up))
    let rows = (pictures.count + columns - 1) / columns
    let gridWidth = columns * (width + padding) + padding
    let gridHeight = rows * (height + padding) + padding
    var samples = [UInt8](repeating: background, count: gridWidth * gridHeight * channels)
    for (index, picture) in pictures.enumerated() {
      precondition(
        (picture.width, picture.height, picture.channels) == (first.width, first.height, channels),
        "picture \(index) is \(picture.width) x \(picture.height) x \(picture.channels), the first \(first.width) x "
          + "\(first.height) x \(channels)")
      let left = padding + index % columns * (width + padding)
      let top = padding + index / columns * (height + padding)
      let enlarged = picture.enlarged(by: enlargement)
      let rowLength = width * channels
      for y in 0..<height {
        let start = ((top + y) * gridWidth + left) * channels
        samples.replaceSubrange(
          start..<start + rowLength, with: enlarged.samples[y * rowLength..<(y + 1) * rowLength])
      }
    }
    return Picture(width: gridWidth, height: gridHeight, channels: channels, samples: samples)
  }
}
