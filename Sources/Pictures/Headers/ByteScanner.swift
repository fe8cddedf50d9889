import Files

/// Random access to numbers in bytes: of a file in memory, or of an open file that is only read as far as needed.
struct ByteScanner {
  let count: Int
  private let source: Source

  private enum Source {
    case memory([UInt8])
    case file(FileBlocks)
  }

  init(_ bytes: [UInt8]) {
    count = bytes.count
    source = .memory(bytes)
  }

  /// - Parameter size: the size of `file` in bytes.
  init(_ file: consuming FileDescriptor, size: Int) {
    count = size
    source = .file(FileBlocks(file))
  }

  /// - Throws: `PictureHeader.Problem.endsEarly`, `FileError`.
  func byte(_ place: Int) throws -> Int {
    guard (0..<count).contains(place) else { throw PictureHeader.Problem.endsEarly }
    switch source {
    case .memory(let bytes): return Int(bytes[place])
    case .file(let blocks): return Int(try blocks.byte(place))
    }
  }

  /// Returns `count` bytes starting at `place`.
  ///
  /// - Throws: `PictureHeader.Problem.endsEarly`, `FileError`.
  func bytes(_ count: Int, at place: Int) throws -> [UInt8] {
    guard place >= 0, count >= 0, place <= self.count - count else { throw PictureHeader.Problem.endsEarly }
    return try (place..<place + count).map { UInt8(try byte($0)) }
  }

  /// - Throws: `FileError`.
  func holds(_ text: String, at place: Int) throws -> Bool { try holds(Array(text.utf8), at: place) }

  /// - Throws: `FileError`.
  func holds(_ expected: [UInt8], at place: Int) throws -> Bool {
    guard place >= 0, place <= count - expected.count else { return false }
    for (index, value) in expected.enumerated() where try byte(place + index) != value { return false }
    return true
  }

  /// The big-endian number in `count` bytes.
  func big(_ count: Int, at place: Int) throws -> Int {
    try (0..<count).reduce(0) { try $0 << 8 | byte(place + $1) }
  }

  /// The little-endian number in `count` bytes.
  func little(_ count: Int, at place: Int) throws -> Int {
    try (0..<count).reversed().reduce(0) { try $0 << 8 | byte(place + $1) }
  }

  /// Whether the `count` colours of a palette are all grey, each given by the first three of `stride` bytes.
  func isGrey(palette place: Int, count: Int, stride: Int = 3) throws -> Bool {
    try (0..<count).allSatisfy { entry in
      let colour = place + entry * stride
      return try byte(colour) == byte(colour + 1) && byte(colour) == byte(colour + 2)
    }
  }
}

/// A file of which one block at a time is held in memory.
private final class FileBlocks {
  private let file: FileDescriptor
  private var block: [UInt8] = []
  private var start = 0

  /// Large enough for the complete header of almost any file.
  private static let size = 1 << 14

  init(_ file: consuming FileDescriptor) { self.file = file }

  func byte(_ place: Int) throws -> UInt8 {
    if place < start || place >= start + block.count {
      start = place / Self.size * Self.size
      block = try [UInt8](unsafeUninitializedCapacity: Self.size) { buffer, filled in
        filled = try file.read(into: UnsafeMutableRawBufferPointer(buffer), at: start)
      }
    }
    // The file may have been truncated since its size was queried.
    guard place < start + block.count else { throw PictureHeader.Problem.endsEarly }
    return block[place - start]
  }
}
