/// The first directory of a TIFF file or of EXIF data (TIFF 6.0, section 2; BigTIFF; EXIF 2.3, section 4.5).
struct TIFFDirectory {
  private let file: ByteScanner
  private let start: Int
  private let isLittle: Bool
  /// The size of a file offset in bytes: 8 in BigTIFF.
  private let wordSize: Int
  private let entries: [Int: Entry]

  private struct Entry {
    let type: Int
    let count: Int
    /// The offset of the value itself if it fits in a word, otherwise of the value's offset.
    let place: Int
  }

  /// Photo files have about 20 entries.
  private static let entryLimit = 4096

  /// - Parameter start: the offset in `file` at which the TIFF data begin.
  /// - Throws: `PictureHeader.Problem`, `FileError`.
  init(_ file: ByteScanner, at start: Int = 0) throws {
    self.file = file
    self.start = start
    let isLittle = try file.holds("II", at: start)
    self.isLittle = isLittle
    func number(_ count: Int, _ place: Int) throws -> Int {
      try isLittle ? file.little(count, at: start + place) : file.big(count, at: start + place)
    }
    let version = try number(2, 2)
    guard try isLittle || file.holds("MM", at: start), version == 42 || version == 43 else {
      throw PictureHeader.Problem.malformed("is no TIFF picture")
    }
    wordSize = version == 42 ? 4 : 8
    let directory = try number(wordSize, wordSize)
    let countSize = version == 42 ? 2 : 8
    guard (0..<file.count).contains(directory) else { throw PictureHeader.Problem.endsEarly }
    let count = try number(countSize, directory)
    guard (0...Self.entryLimit).contains(count) else {
      throw PictureHeader.Problem.malformed("is said to have \(count) entries in its directory")
    }
    var entries: [Int: Entry] = [:]
    for index in 0..<count {
      let place = directory + countSize + index * (4 + 2 * wordSize)
      // If a tag appears twice, the last one counts, as in Pillow.
      entries[try number(2, place)] = Entry(
        type: try number(2, place + 2), count: try number(wordSize, place + 4), place: place + 4 + wordSize)
    }
    self.entries = entries
  }

  func has(_ tag: Int) -> Bool { entries[tag] != nil }

  /// The tag's integers; nil if it is missing, has another type, or has more than `limit` values.
  ///
  /// - Throws: `PictureHeader.Problem.endsEarly`, `FileError`.
  func numbers(_ tag: Int, limit: Int = 1) throws -> [Int]? {
    // BYTE is excluded: Pillow does not treat a single one as a number.
    let sizes = [3: 2, 4: 4, 8: 2, 9: 4, 16: 8]
    guard let entry = entries[tag], let size = sizes[entry.type], (1...limit).contains(entry.count) else {
      return nil
    }
    let place = entry.count * size <= wordSize ? entry.place : try number(wordSize, entry.place)
    guard place >= 0, place <= file.count else { throw PictureHeader.Problem.endsEarly }
    return try (0..<entry.count).map { try number(size, place + $0 * size) }
  }

  private func number(_ count: Int, _ place: Int) throws -> Int {
    try isLittle ? file.little(count, at: start + place) : file.big(count, at: start + place)
  }
}
