/// The tables of a font file (OpenType specification, "Font file"), read with bounds checks.
struct FontTables {
  let path: String
  private let bytes: [UInt8]
  private let tables: [String: Range<Int>]

  /// - Throws: `DatasetError` if the bytes are not a font.
  init(_ bytes: [UInt8], path: String) throws {
    self.path = path
    self.bytes = bytes
    let whole = FontReader(bytes[...], path: path)
    guard try [0x0001_0000, 0x4F54_544F].contains(whole.uint32(0)) else {
      throw DatasetError.badData(path, "is no font file: it does not begin as TrueType or OpenType fonts do")
    }
    var tables: [String: Range<Int>] = [:]
    for index in 0..<Int(try whole.uint16(4)) {
      let record = 12 + 16 * index
      let tag = String(decoding: try whole.bytes(record, count: 4), as: UTF8.self)
      let start = Int(try whole.uint32(record + 8))
      let end = start + Int(try whole.uint32(record + 12))
      guard end <= bytes.count else { throw DatasetError.badData(path, "ends within its table \(tag)") }
      tables[tag] = start..<end
    }
    self.tables = tables
  }

  /// - Throws: `DatasetError` if the font has no such table.
  func table(_ tag: String) throws -> FontReader {
    guard let range = tables[tag] else {
      throw DatasetError.badData(path, "has no table \(tag), which a font of coloured bitmaps has")
    }
    return FontReader(bytes[range], path: path)
  }
}

/// Big-endian numbers in a part of a font file; offsets are relative to the part's start.
struct FontReader {
  private let content: ArraySlice<UInt8>
  private let path: String

  init(_ content: ArraySlice<UInt8>, path: String) {
    self.content = content
    self.path = path
  }

  func bytes(_ offset: Int, count: Int) throws -> ArraySlice<UInt8> {
    guard offset >= 0, count >= 0, offset <= content.count - count else {
      throw DatasetError.badData(path, "is damaged: a table of the font ends too early")
    }
    return content[content.startIndex + offset..<content.startIndex + offset + count]
  }

  func uint16(_ offset: Int) throws -> UInt16 {
    try bytes(offset, count: 2).reduce(0) { $0 << 8 | UInt16($1) }
  }

  func uint32(_ offset: Int) throws -> UInt32 {
    try bytes(offset, count: 4).reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// `count` 16-bit numbers.
  func uint16s(_ offset: Int, count: Int) throws -> [UInt16] {
    try (0..<count).map { try uint16(offset + 2 * $0) }
  }

  /// The bytes from `offset` to the end.
  func part(_ offset: Int) throws -> FontReader {
    guard (0...content.count).contains(offset) else {
      throw DatasetError.badData(path, "is damaged: an offset leads out of a table of the font")
    }
    return FontReader(content.dropFirst(offset), path: path)
  }
}
