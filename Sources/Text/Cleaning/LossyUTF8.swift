/// Bytes that were once valid UTF-8 but lost information.
enum LossyUTF8 {
  /// Restores no-break spaces that became spaces, where they complete a character that was probably meant.
  static func restoringNoBreakSpaces(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.contains(where: { $0 >= 0xC2 }), bytes.contains(space) else { return bytes }
    var result = separatingWordsOfOneLetter(bytes)
    var place = 0
    while place < result.count {
      if let length = restorableLength(result, at: place) {
        for index in place..<place + length where result[index] == space { result[index] = noBreakSpace }
        place += length
      } else {
        place += 1
      }
    }
    return result
  }

  private static let space: UInt8 = 0x20
  private static let noBreakSpace: UInt8 = 0xA0

  /// Turns `C3 20`, an à whose second byte became a space, into `C3 A0 20`, because à is usually a word. Excludes
  /// Portuguese às, àquele, àquela and àquilo, and `C3 20` before another space.
  private static func separatingWordsOfOneLetter(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var place = 0
    while place < bytes.count {
      result.append(bytes[place])
      place += 1
      guard bytes[place - 1] == 0xC3, place < bytes.count, bytes[place] == space else { continue }
      let rest = bytes[(place + 1)...]
      guard ![" ", "quele", "quela", "quilo", "s "].contains(where: { rest.starts(with: $0.utf8) }) else {
        continue
      }
      result += [noBreakSpace, space]
      place += 1
    }
    return result
  }

  /// The length of a character at `place` in which only a no-break space is missing.
  private static func restorableLength(_ bytes: [UInt8], at place: Int) -> Int? {
    func at(_ offset: Int) -> UInt8 { place + offset < bytes.count ? bytes[place + offset] : 0 }
    func continues(_ offset: Int) -> Bool { (0x80...0xBF).contains(at(offset)) }
    // Neither the byte of the ellipsis in Windows-1252 nor another no-break space.
    func isLikely(_ offset: Int) -> Bool {
      continues(offset) && at(offset) != 0x85 && at(offset) != noBreakSpace
    }
    switch at(0) {
    case 0xC2, 0xC3, 0xC5, 0xCE, 0xD0, 0xD9: return at(1) == space ? 2 : nil
    case 0xE2, 0xE3: return at(1) == space && isLikely(2) || isLikely(1) && at(2) == space ? 3 : nil
    case 0xE0, 0xE1: return isLikely(1) && at(2) == space ? 3 : nil
    case 0xF0:
      for spaced in 1...3 where at(spaced) == space && (1...3).allSatisfy({ $0 == spaced || continues($0) }) {
        return 4
      }
      return nil
    default: return nil
    }
  }

  /// Replaces characters with U+FFFD if some of their bytes became substitutes (1A) or, at most once per character, a
  /// question mark.
  static func replacingLostBytes(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var place = 0
    while place < bytes.count {
      if let length = lossyLength(bytes, at: place) {
        result += [0xEF, 0xBF, 0xBD]
        place += length
      } else {
        result.append(bytes[place])
        place += 1
      }
    }
    return result
  }

  private static let substitute: UInt8 = 0x1A
  private static let questionMark = UInt8(ascii: "?")

  private static func lossyLength(_ bytes: [UInt8], at place: Int) -> Int? {
    func at(_ offset: Int) -> UInt8 { place + offset < bytes.count ? bytes[place + offset] : 0 }
    func isLost(_ offset: Int) -> Bool { at(offset) == substitute || at(offset) == questionMark }
    func continues(_ offset: Int) -> Bool { (0x80...0xBF).contains(at(offset)) }
    /// Whether bytes 1 to `last` continue the character, with one of them lost and the others lost or valid.
    func isLossy(_ last: Int) -> Bool {
      (1...last).contains { lost in
        isLost(lost) && (1...last).allSatisfy { $0 == lost || at($0) == substitute || continues($0) }
      }
    }
    let first = at(0)
    switch first {
    case 0xC2...0xDF where at(1) == substitute || first <= 0xC3 && at(1) == questionMark: return 2
    case 0xED
    where (0xA0...0xAF).contains(at(1)) && at(3) == 0xED && (0xB0...0xBF).contains(at(4))
      && (isLost(2) && (isLost(5) || continues(5)) || (isLost(2) || continues(2)) && isLost(5)):
      return 6
    case 0xE0...0xEF where isLossy(2): return 3
    case 0xF0...0xF4 where isLossy(3): return 4
    case substitute: return 1
    default: return nil
    }
  }

  /// Decodes UTF-8, also with NUL as two bytes and surrogate pairs as six (CESU-8); nil for anything else.
  static func decode(_ bytes: [UInt8]) -> [Unicode.Scalar]? {
    guard bytes.contains(where: { $0 == 0xED || $0 == 0xC0 }) else { return strict(bytes[...]) }
    var result: [Unicode.Scalar] = []
    var start = 0
    var place = 0
    func at(_ offset: Int) -> UInt32 { place + offset < bytes.count ? UInt32(bytes[place + offset]) : 0 }
    while place < bytes.count {
      let special: (scalar: Unicode.Scalar, length: Int)?
      if at(0) == 0xC0, at(1) == 0x80 {
        special = ("\0", 2)
      } else if at(0) == 0xED, at(1) & 0xF0 == 0xA0, at(2) & 0xC0 == 0x80, at(3) == 0xED,
        at(4) & 0xF0 == 0xB0,
        at(5) & 0xC0 == 0x80
      {
        let high = (at(1) & 0x0F) << 16 | (at(2) & 0x3F) << 10
        let low = (at(4) & 0x0F) << 6 | at(5) & 0x3F
        special = Unicode.Scalar(0x1_0000 + high + low).map { ($0, 6) }
      } else {
        special = nil
      }
      guard let special else {
        place += 1
        continue
      }
      guard let before = strict(bytes[start..<place]) else { return nil }
      result += before
      result.append(special.scalar)
      place += special.length
      start = place
    }
    guard let rest = strict(bytes[start...]) else { return nil }
    return result + rest
  }

  private static func strict(_ bytes: ArraySlice<UInt8>) -> [Unicode.Scalar]? {
    String(validating: bytes, as: UTF8.self).map { Array($0.unicodeScalars) }
  }
}
