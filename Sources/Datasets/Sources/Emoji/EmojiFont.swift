/// A font of colour bitmaps, such as Noto Color Emoji: PNG images of glyphs, and the mapping of character sequences to
/// glyphs (OpenType tables `cmap`, `GSUB`, `CBLC`, `CBDT`).
struct EmojiFont {
  let path: String
  private var glyphs: [UInt32: UInt16] = [:]
  /// For each lookup in order, its ligatures by their first glyph, longer ones first.
  private var lookups: [[UInt16: [Ligature]]] = []
  /// PNG files by glyph.
  private var pictures: [UInt16: ArraySlice<UInt8>] = [:]

  private struct Ligature {
    let rest: [UInt16]
    let result: UInt16
  }

  /// Requests the colour form of a character, the only one supported here.
  private static let variationSelector: UInt32 = 0xFE0F

  /// - Throws: `DatasetError` for a font that is damaged or has no colour bitmaps.
  init(_ bytes: [UInt8], path: String) throws {
    self.path = path
    let tables = try FontTables(bytes, path: path)
    try readCharacters(tables.table("cmap"))
    try readLigatures(tables.table("GSUB"))
    try readBitmaps(tables.table("CBLC"), tables.table("CBDT"))
  }

  /// The PNG file of a character sequence; nil if no single glyph covers all of it.
  func picture(of characters: [UInt32]) -> ArraySlice<UInt8>? {
    var sequence: [UInt16] = []
    for character in characters where character != Self.variationSelector {
      guard let glyph = glyphs[character] else { return nil }
      sequence.append(glyph)
    }
    for lookup in lookups {
      var place = 0
      while place < sequence.count {
        let match = lookup[sequence[place]]?.first { sequence[(place + 1)...].starts(with: $0.rest) }
        if let match { sequence.replaceSubrange(place...place + match.rest.count, with: [match.result]) }
        place += 1
      }
    }
    return sequence.count == 1 ? pictures[sequence[0]] : nil
  }

  /// Format 12: ranges of characters with consecutive glyphs.
  private mutating func readCharacters(_ table: FontReader) throws {
    for index in 0..<Int(try table.uint16(2)) {
      let map = try table.part(Int(try table.uint32(4 + 8 * index + 4)))
      guard try map.uint16(0) == 12 else { continue }
      for group in 0..<Int(try map.uint32(12)) {
        let (first, last) = (try map.uint32(16 + 12 * group), try map.uint32(20 + 12 * group))
        let glyph = try map.uint32(24 + 12 * group)
        guard first <= last, last <= 0x10FFFF, glyph + (last - first) <= 0xFFFF else {
          throw DatasetError.badData(path, "is damaged: its table cmap has a group that is none")
        }
        for character in first...last { glyphs[character] = UInt16(glyph + (character - first)) }
      }
      return
    }
    throw DatasetError.badData(path, "has no map of all characters (cmap of format 12)")
  }
}

extension EmojiFont {
  private static let ligatures: UInt16 = 4
  private static let `extension`: UInt16 = 7

  /// Ligature substitutions; others are skipped.
  private mutating func readLigatures(_ table: FontReader) throws {
    let list = try table.part(Int(try table.uint16(8)))
    for offset in try list.uint16s(2, count: Int(try list.uint16(0))) {
      let lookup = try list.part(Int(offset))
      let type = try lookup.uint16(0)
      var found: [UInt16: [Ligature]] = [:]
      for offset in try lookup.uint16s(6, count: Int(try lookup.uint16(4))) {
        let subtable = try lookup.part(Int(offset))
        if type == Self.ligatures {
          try addLigatures(subtable, to: &found)
        } else if type == Self.extension, try subtable.uint16(2) == Self.ligatures {
          try addLigatures(subtable.part(Int(subtable.uint32(4))), to: &found)
        }
      }
      lookups.append(found.mapValues { $0.sorted { $0.rest.count > $1.rest.count } })
    }
  }

  private func addLigatures(_ table: FontReader, to found: inout [UInt16: [Ligature]]) throws {
    let firsts = try Self.coverage(table.part(Int(table.uint16(2))))
    let sets = try table.uint16s(6, count: Int(table.uint16(4)))
    for (first, offset) in zip(firsts, sets) {
      let set = try table.part(Int(offset))
      for offset in try set.uint16s(2, count: Int(set.uint16(0))) {
        let ligature = try set.part(Int(offset))
        let rest = try ligature.uint16s(4, count: max(0, Int(ligature.uint16(2)) - 1))
        found[first, default: []].append(Ligature(rest: rest, result: try ligature.uint16(0)))
      }
    }
  }

  /// The glyphs of a coverage table, in order.
  private static func coverage(_ table: FontReader) throws -> [UInt16] {
    let count = Int(try table.uint16(2))
    guard try table.uint16(0) == 2 else { return try table.uint16s(4, count: count) }
    return try (0..<count).flatMap { index in
      let (first, last) = (try table.uint16(4 + 6 * index), try table.uint16(6 + 6 * index))
      return first <= last ? Array(first...last) : []
    }
  }

  /// The PNG files of the first bitmap size, the only one in such fonts.
  private mutating func readBitmaps(_ index: FontReader, _ data: FontReader) throws {
    guard try index.uint32(4) > 0 else { throw DatasetError.badData(path, "has no bitmaps") }
    let array = try index.part(Int(index.uint32(8)))
    for place in 0..<Int(try index.uint32(16)) {
      let (first, last) = (try array.uint16(8 * place), try array.uint16(8 * place + 2))
      let subtable = try array.part(Int(array.uint32(8 * place + 4)))
      let (format, imageFormat) = (try subtable.uint16(0), try subtable.uint16(2))
      let base = Int(try subtable.uint32(4))
      guard first <= last, format == 1 || format == 3, let metrics = Self.metrics[imageFormat] else {
        throw DatasetError.badData(
          path, "has bitmaps of the formats \(format) and \(imageFormat), which are not read here")
      }
      func offset(_ number: Int) throws -> Int {
        format == 1 ? Int(try subtable.uint32(8 + 4 * number)) : Int(try subtable.uint16(8 + 2 * number))
      }
      for glyph in first...last {
        let number = Int(glyph - first)
        let start = try offset(number)
        guard try offset(number + 1) > start else { continue }
        let length = Int(try data.uint32(base + start + metrics))
        pictures[glyph] = try data.bytes(base + start + metrics + 4, count: length)
      }
    }
  }

  /// Number of bytes before the length of a PNG file, by image format.
  private static let metrics: [UInt16: Int] = [17: 5, 18: 8, 19: 0]
}
