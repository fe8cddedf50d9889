/// Numbers in bytes, read at any place.
struct ByteScanner {
  let bytes: [UInt8]

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  func holds(_ text: String, at place: Int) -> Bool { holds(Array(text.utf8), at: place) }

  func holds(_ expected: [UInt8], at place: Int) -> Bool {
    place + expected.count <= bytes.count && bytes[place..<place + expected.count].elementsEqual(expected)
  }

  /// - Throws: `PictureHeader.Problem.endsEarly`.
  func byte(_ place: Int) throws -> Int {
    guard place < bytes.count else { throw PictureHeader.Problem.endsEarly }
    return Int(bytes[place])
  }

  /// The number in `count` bytes, the most significant first.
  func big(_ count: Int, at place: Int) throws -> Int {
    try (0..<count).reduce(0) { try $0 << 8 | byte(place + $1) }
  }

  /// The number in `count` bytes, the least significant first.
  func little(_ count: Int, at place: Int) throws -> Int {
    try (0..<count).reversed().reduce(0) { try $0 << 8 | byte(place + $1) }
  }

  /// Whether the `count` colours of a palette are greys, each the first three of `stride` bytes.
  func isGrey(palette place: Int, count: Int, stride: Int = 3) throws -> Bool {
    try (0..<count).allSatisfy { entry in
      let colour = place + entry * stride
      return try byte(colour) == byte(colour + 1) && byte(colour) == byte(colour + 2)
    }
  }
}
