/// Detects and undoes decoding with the wrong character set: the method of ftfy 6.3 (Robyn Speer,
/// https://github.com/rspeer/python-ftfy), whose decisions must be reproduced exactly because CLIP's texts were cleaned
/// with it.
enum Mojibake {
  /// Undoes wrong decodings one by one until the text looks right.
  static func repair(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var text = text
    while true {
      let repaired = repairOnce(text)
      if repaired == text { return text }
      text = repaired
    }
  }

  static let windows1252 = characterSets[1]

  private static func repairOnce(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    guard text.contains(where: { !$0.isASCII }), isSuspect(text) else { return text }
    var isLatin1 = false
    for (place, set) in characterSets.enumerated() {
      guard var bytes = set.encode(text) else { continue }
      if place == 0 { isLatin1 = true }
      if set.name != "macroman" { bytes = LossyUTF8.restoringNoBreakSpaces(bytes) }
      if set.isSloppy { bytes = LossyUTF8.replacingLostBytes(bytes) }
      if let decoded = LossyUTF8.decode(bytes) { return decoded }
    }
    let mixed = repairParts(text)
    if mixed != text { return mixed }
    // The remaining C1 controls were meant as Windows-1252, as in web browsers.
    if isLatin1, !text.contains(where: { windows1252.lacks($0) }) {
      let decoded = text.map { windows1252.decode(UInt8($0.value)) }
      if decoded != text { return decoded }
    }
    return replacingC1Controls(text)
  }

  static func replacingC1Controls(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    guard text.contains(where: { (0x80...0x9F).contains($0.value) }) else { return text }
    return text.map { (0x80...0x9F).contains($0.value) ? windows1252.decode(UInt8($0.value)) : $0 }
  }

  /// Repairs the parts that look like UTF-8 decoded with a single-byte character set, in a text with other characters
  /// too.
  private static func repairParts(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    var place = 0
    while place < text.count {
      var end = place
      if place == 0 || !classes(of: text[place - 1]).contains(.utf8ContinuationStrict) {
        while let length = utf8Length(text, at: end) { end += length }
      }
      if end == place {
        result.append(text[place])
        place += 1
        continue
      }
      let part = Array(text[place..<end])
      result += part.count < text.count && isSuspect(part) ? repair(part) : part
      place = end
    }
    return result
  }

  /// The number of scalars at `place` that look like the bytes of one UTF-8 character.
  private static func utf8Length(_ text: [Unicode.Scalar], at place: Int) -> Int? {
    guard place < text.count else { return nil }
    let first = classes(of: text[place])
    for (kind, length) in [(CharacterClass.utf8FirstOf2, 2), (.utf8FirstOf3, 3), (.utf8FirstOf4, 4)]
    where first.contains(kind) && place + length <= text.count {
      let rest = text[(place + 1)..<(place + length)]
      if rest.allSatisfy({ classes(of: $0).contains(.utf8Continuation) }) { return length }
    }
    return nil
  }

  private static let classesOfScalars: [Unicode.Scalar: CharacterClass] = {
    var classes: [Unicode.Scalar: CharacterClass] = [:]
    for (kind, ranges) in classTable {
      for range in ranges.split(separator: " ") {
        let ends = range.split(separator: "-").compactMap { UInt32($0, radix: 16) }
        for value in ends[0]...ends[ends.count - 1] {
          if let scalar = Unicode.Scalar(value) { classes[scalar, default: []].formUnion(kind) }
        }
      }
    }
    return classes
  }()

  static func classes(of scalar: Unicode.Scalar) -> CharacterClass { classesOfScalars[scalar] ?? [] }
}

/// The role of a character in wrongly decoded text. A character may be in several classes.
struct CharacterClass: OptionSet, Sendable {
  let rawValue: UInt32

  static let common = Self(rawValue: 1 << 0)
  static let c1 = Self(rawValue: 1 << 1)
  /// Rarely intended.
  static let bad = Self(rawValue: 1 << 2)
  static let law = Self(rawValue: 1 << 3)
  static let currency = Self(rawValue: 1 << 4)
  static let startPunctuation = Self(rawValue: 1 << 5)
  static let endPunctuation = Self(rawValue: 1 << 6)
  static let numeric = Self(rawValue: 1 << 7)
  /// Letters used in emoticons.
  static let kaomoji = Self(rawValue: 1 << 8)
  static let upperAccented = Self(rawValue: 1 << 9)
  static let lowerAccented = Self(rawValue: 1 << 10)
  static let upperCommon = Self(rawValue: 1 << 11)
  static let lowerCommon = Self(rawValue: 1 << 12)
  /// Box-drawing characters.
  static let box = Self(rawValue: 1 << 13)
  /// How the first bytes of two-, three- and four-byte sequences, and continuation bytes, look in single-byte character
  /// sets.
  static let utf8FirstOf2 = Self(rawValue: 1 << 14)
  static let utf8FirstOf3 = Self(rawValue: 1 << 15)
  static let utf8FirstOf4 = Self(rawValue: 1 << 16)
  static let utf8Continuation = Self(rawValue: 1 << 17)
  /// Without spaces, dashes and quotation marks, which are often intended.
  static let utf8ContinuationStrict = Self(rawValue: 1 << 18)
}
