import CGD

/// Draws lines of text with libgd: in the system's sans serif font if there is one, otherwise in libgd's built-in font,
/// which only supports ASCII.
struct Lettering {
  private enum Face {
    /// The name of the font in fontconfig.
    case system(String)
    case builtIn
  }

  private let face: Face
  /// The distance between lines in pixels.
  let lineHeight: Int

  /// In points, at libgd's 96 dots per inch.
  private static let size = 8.0

  init() {
    gdFTUseFontConfig(1)
    let name = "sans"
    if let bounds = Self.bounds("Ag", name) {
      face = .system(name)
      lineHeight = max(bounds.height + 3, 12)
    } else {
      face = .builtIn
      lineHeight = Int(gdFontGetSmall().pointee.h) + 1
    }
  }

  /// Breaks `text` into at most `limit` lines of `width` pixels, between words where possible; text that does not fit
  /// ends in an ellipsis.
  func lines(_ text: String, width: Int, limit: Int) -> [String] {
    let ellipsis = "..."
    var lines: [String] = []
    // A character is at least one pixel wide: anything beyond this cannot fit, and measuring it would take long.
    var rest = text.split(whereSeparator: \.isWhitespace).joined(separator: " ").prefix(limit * width + 1)
    while !rest.isEmpty {
      if lines.count == limit - 1, self.width(of: String(rest)) > width {
        var last = rest
        while last.count > 1, self.width(of: last + ellipsis) > width { last = last.dropLast() }
        return lines + [last + ellipsis]
      }
      var line = rest
      while line.count > 1, self.width(of: String(line)) > width {
        line = line.lastIndex(of: " ").map { line[..<$0] } ?? line.dropLast()
      }
      lines.append(String(line))
      rest = rest[line.endIndex...].drop { $0 == " " }
    }
    return lines
  }

  /// Draws a line on an image with a light background.
  ///
  /// - Parameters:
  ///   - top: the top edge of the line.
  ///   - colour: 0xRRGGBB.
  func draw(_ line: String, on canvas: borrowing Canvas, left: Int, top: Int, colour: Int32) {
    switch face {
    case .system(let name):
      Self.withCStrings(line, name) { text, name in
        _ = gdImageStringFT(
          canvas.image, nil, colour, name, Self.size, 0, Int32(left), Int32(top + lineHeight - 4), text)
      }
    case .builtIn:
      var text = Self.ascii(line)
      gdImageString(canvas.image, gdFontGetSmall(), Int32(left), Int32(top), &text, colour)
    }
  }

  func width(of text: String) -> Int {
    switch face {
    case .system(let name): Self.bounds(text, name)?.width ?? 0
    case .builtIn: text.count * Int(gdFontGetSmall().pointee.w)
    }
  }

  /// Returns nil if libgd finds no such font.
  private static func bounds(_ text: String, _ name: String) -> (width: Int, height: Int)? {
    var corners = [Int32](repeating: 0, count: 8)
    let isFound = withCStrings(text, name) { text, name in
      gdImageStringFT(nil, &corners, 0, name, size, 0, 0, 0, text) == nil
    }
    return isFound ? (Int(corners[2] - corners[6]), Int(corners[3] - corners[7])) : nil
  }

  /// libgd's parameters are not const, although it does not modify them.
  private static func withCStrings<Result>(
    _ text: String, _ name: String,
    _ body: (UnsafeMutablePointer<CChar>, UnsafeMutablePointer<CChar>) -> Result
  ) -> Result {
    var (text, name) = (Array(text.utf8CString), Array(name.utf8CString))
    return text.withUnsafeMutableBufferPointer { text in
      name.withUnsafeMutableBufferPointer { name in
        guard let text = text.baseAddress, let name = name.baseAddress else {
          preconditionFailure("a C string without its end")
        }
        return body(text, name)
      }
    }
  }

  /// ASCII bytes with a terminating NUL.
  private static func ascii(_ text: String) -> [UInt8] {
    text.map { $0.asciiValue ?? UInt8(ascii: "?") } + [0]
  }
}

extension Lettering {
  enum Alignment {
    case left, middle, right
  }

  /// A colour picture with one line of texts, dark on white, each aligned as specified.
  ///
  /// - Throws: ``PictureError`` if libgd runs out of memory.
  func picture(_ texts: [(text: String, alignment: Alignment)], width: Int) throws -> Picture {
    try drawn(width: width, height: lineHeight + 2, channels: 3) { canvas in
      for (text, alignment) in texts {
        let room = width - self.width(of: text) - 2
        let left =
          switch alignment {
          case .left: 1
          case .middle: room / 2
          case .right: room
          }
        draw(text, on: canvas, left: max(left, 1), top: 1, colour: Self.ink)
      }
    }
  }

  /// A picture of `lines`, dark on white, `width` pixels wide and as high as `count` lines.
  ///
  /// - Throws: ``PictureError`` if libgd runs out of memory.
  func picture(_ lines: [String], count: Int, width: Int, channels: Int) throws -> Picture {
    try drawn(width: width, height: count * lineHeight + 2, channels: channels) { canvas in
      for (place, line) in lines.enumerated() {
        draw(line, on: canvas, left: 1, top: 1 + place * lineHeight, colour: Self.ink)
      }
    }
  }

  private static let ink: Int32 = 0x202020

  /// The picture that `body` draws on white.
  private func drawn(
    width: Int, height: Int, channels: Int, _ body: (borrowing Canvas) -> Void
  ) throws -> Picture {
    let white = Picture(
      width: width, height: height, channels: 3,
      samples: [UInt8](repeating: 255, count: 3 * width * height))
    let canvas = try Canvas.exact(white, for: "the captions of a grid")
    body(canvas)
    var samples: [UInt8] = []
    samples.reserveCapacity(width * height * channels)
    for y in 0..<height {
      guard let row = canvas.image.pointee.tpixels[y] else { continue }
      for x in 0..<width {
        let (red, green, blue) = (row[x] >> 16 & 0xFF, row[x] >> 8 & 0xFF, row[x] & 0xFF)
        // Anti-aliased edges of letters may be coloured.
        samples +=
          channels == 3 ? [UInt8(red), UInt8(green), UInt8(blue)] : [UInt8((red + green + blue) / 3)]
      }
    }
    return Picture(width: width, height: height, channels: channels, samples: samples)
  }
}
