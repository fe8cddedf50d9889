import Foundation

/// The repairs of ftfy 6.3 (`fix_text`, https://github.com/rspeer/python-ftfy) with its default settings: character
/// references, wrong decodings, ligatures, full- and half-width forms, curly quotation marks, line breaks, terminal
/// escapes, control characters, and normalisation form C.
enum TextRepair {
  /// Repairs each line separately: the right repair for one need not suit the next.
  static func repair(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    if text.allSatisfy(isPlain) { return text }
    var result: [Unicode.Scalar] = []
    var resolvesReferences = true
    var place = 0
    while place < text.count {
      let line = text[place...].firstIndex(of: "\n").map { $0 + 1 } ?? text.count
      let end = min(line, place + longestSegment)
      let segment = Array(text[place..<end])
      // Text with a possible tag is markup, and so are its references: keep them in this line and all that follow.
      if segment.contains("<") { resolvesReferences = false }
      result += repair(segment: segment, resolvesReferences: resolvesReferences)
      place = end
    }
    return result
  }

  private static let longestSegment = 1_000_000

  /// Whether no repair changes `scalar`; this holds for most text.
  private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
    (" "..."~").contains(scalar) && scalar != "&" || scalar == "\n" || scalar == "\t"
  }

  private static func repair(segment: [Unicode.Scalar], resolvesReferences: Bool) -> [Unicode.Scalar] {
    var text = segment
    while true {
      let before = text
      if resolvesReferences { text = resolvingReferences(text) }
      text = Mojibake.replacingC1Controls(Mojibake.repair(text))
      text = text.flatMap(standardForm)
      text = unixLineBreaks(text)
      text = withoutTerminalEscapes(text).filter { !isControl($0) }
      text = CanonicalComposition.normalize(text)
      if text == before { return text }
    }
  }

  /// Resolves `&name;` and numeric references that end in a semicolon. Names of Latin letters and common symbols may be
  /// in upper case, which makes the character upper case.
  private static func resolvingReferences(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    guard text.contains("&") else { return text }
    var result: [Unicode.Scalar] = []
    var place = 0
    while place < text.count {
      if text[place] == "&", let reference = reference(text, at: place) {
        result += reference.replacement
        place = reference.end
      } else {
        result.append(text[place])
        place += 1
      }
    }
    return result
  }

  private static func reference(_ text: [Unicode.Scalar], at place: Int) -> HTMLEntities.Reference? {
    let isNumeric = place + 1 < text.count && text[place + 1] == "#"
    let rest = text[(place + (isNumeric ? 2 : 1))...]
    let name = rest.prefix(longestReference + 1).prefix {
      $0.isASCII && Character($0).isLetter || ("0"..."9").contains($0)
    }
    guard (1...longestReference).contains(name.count), name.endIndex < text.count, text[name.endIndex] == ";"
    else {
      return nil
    }
    if isNumeric {
      return HTMLEntities.numeric(text, at: place).flatMap { $0.end == name.endIndex + 1 ? $0 : nil }
    }
    return character(named: String(name)).map { ($0, name.endIndex + 1) }
  }

  private static let longestReference = 24

  private static func character(named name: String) -> [Unicode.Scalar]? {
    if let scalars = HTMLEntities.character(named: name, hasSemicolon: true) { return scalars }
    // The upper-case form of a lower-case name, unless part of it is a reference itself.
    let whole = Array("&\(name);".unicodeScalars)
    guard name == name.uppercased(), HTMLEntities.unescape(whole) == whole,
      let scalars = HTMLEntities.character(named: name.lowercased(), hasSemicolon: true)
    else { return nil }
    return Array(String(scalars).uppercased().unicodeScalars)
  }

  /// The form of `scalar` without typographical variants.
  private static func standardForm(_ scalar: Unicode.Scalar) -> [Unicode.Scalar] {
    switch scalar.value {
    case 0..<0x132: return [scalar]
    case 0x2BC, 0x2018...0x201B: return ["'"]
    case 0x201C...0x201F: return ["\""]
    case 0x3000: return [" "]
    case 0xFF01..<0xFFF0:
      return Array(String(scalar).precomposedStringWithCompatibilityMapping.unicodeScalars)
    default: return ligatures[scalar] ?? [scalar]
    }
  }

  private static let ligatures: [Unicode.Scalar: [Unicode.Scalar]] = [
    "Ĳ": "IJ", "ĳ": "ij", "ŉ": "'n", "Ǳ": "DZ", "ǲ": "Dz", "ǳ": "dz", "Ǆ": "DŽ", "ǅ": "Dž", "ǆ": "dž",
    "Ǉ": "LJ",
    "ǈ": "Lj", "ǉ": "lj", "Ǌ": "NJ", "ǋ": "Nj", "ǌ": "nj", "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi",
    "ﬄ": "ffl",
    "ﬅ": "ſt", "ﬆ": "st",
  ].mapValues { Array($0.unicodeScalars) }

  private static func unixLineBreaks(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    for (place, scalar) in text.enumerated() {
      switch scalar {
      case "\r", "\u{2028}", "\u{2029}", "\u{85}": result.append("\n")
      case "\n" where place > 0 && text[place - 1] == "\r": break
      default: result.append(scalar)
      }
    }
    return result
  }

  /// Removes `ESC [ parameters letter`.
  private static func withoutTerminalEscapes(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    guard text.contains("\u{1B}") else { return text }
    var result: [Unicode.Scalar] = []
    var place = 0
    while place < text.count {
      if text[place] == "\u{1B}", place + 1 < text.count, text[place + 1] == "[" {
        let rest = text[(place + 2)...].drop { $0 == ";" || $0.properties.generalCategory == .decimalNumber }
        if let letter = rest.first, letter.isASCII, Character(letter).isLetter {
          place = rest.startIndex + 1
          continue
        }
      }
      result.append(text[place])
      place += 1
    }
    return result
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0...8, 0x0B, 0x0E...0x1F, 0x7F, 0x206A...0x206F, 0xFEFF, 0xFFF9...0xFFFC: true
    default: false
    }
  }
}
