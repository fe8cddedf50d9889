/// HTML character references, resolved like Python's `html.unescape`.
enum HTMLEntities {
  /// Resolves every reference, including named ones without a semicolon where HTML allows that, even directly before
  /// other text.
  static func unescape(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    guard text.contains("&") else { return text }
    var result: [Unicode.Scalar] = []
    var place = 0
    while place < text.count {
      if text[place] == "&", let reference = numeric(text, at: place) ?? named(text, at: place) {
        result += reference.replacement
        place = reference.end
      } else {
        result.append(text[place])
        place += 1
      }
    }
    return result
  }

  /// The character for `name`, without ampersand and semicolon; nil for an unknown name, or for one that requires the
  /// semicolon and lacks it.
  static func character(named name: String, hasSemicolon: Bool) -> [Unicode.Scalar]? {
    guard let entry = table[name], hasSemicolon || entry.isLegacy else { return nil }
    return entry.scalars
  }

  typealias Reference = (replacement: [Unicode.Scalar], end: Int)

  /// The numeric reference that starts with the ampersand at `place`.
  static func numeric(_ text: [Unicode.Scalar], at place: Int) -> Reference? {
    var end = place + 1
    guard end < text.count, text[end] == "#" else { return nil }
    end += 1
    let isHexadecimal = end < text.count && (text[end] == "x" || text[end] == "X")
    if isHexadecimal { end += 1 }
    let start = end
    var number = 0
    while end < text.count, text[end].isASCII, let digit = Character(text[end]).hexDigitValue,
      isHexadecimal || digit < 10
    {
      number = min(number * (isHexadecimal ? 16 : 10) + digit, 0x11_0000)
      end += 1
    }
    guard end > start else { return nil }
    if end < text.count, text[end] == ";" { end += 1 }
    return (scalars(numbered: number), end)
  }

  private static func scalars(numbered number: Int) -> [Unicode.Scalar] {
    switch number {
    case 0: return ["\u{FFFD}"]
    case 0x0D: return ["\r"]
    // Web pages mean the bytes of Windows-1252 by these numbers.
    case 0x80...0x9F: return [Mojibake.windows1252.decode(UInt8(number))]
    case 1...8, 0x0B, 0x0E...0x1F, 0x7F, 0xFDD0...0xFDEF: return []
    case let number where number & 0xFFFE == 0xFFFE && number <= 0x10FFFF: return []
    default: return [Unicode.Scalar(UInt32(number)) ?? "\u{FFFD}"]
    }
  }

  private static let longestName = 32

  /// The named reference that starts with the ampersand at `place`; the longest known prefix of an unknown name.
  private static func named(_ text: [Unicode.Scalar], at place: Int) -> Reference? {
    let excluded: [Unicode.Scalar] = ["\t", "\n", "\u{0C}", " ", "<", "&", "#", ";"]
    let rest = text[(place + 1)...].prefix(longestName).prefix { !excluded.contains($0) }
    guard !rest.isEmpty else { return nil }
    if rest.endIndex < text.count, text[rest.endIndex] == ";",
      let scalars = character(named: String(rest), hasSemicolon: true)
    {
      return (scalars, rest.endIndex + 1)
    }
    for length in stride(from: rest.count, to: 1, by: -1) {
      if let scalars = character(named: String(rest.prefix(length)), hasSemicolon: false) {
        return (scalars, rest.startIndex + length)
      }
    }
    return nil
  }

  private typealias Entry = (scalars: [Unicode.Scalar], isLegacy: Bool)

  private static let table: [String: Entry] = {
    var table: [String: Entry] = [:]
    for word in names.split(separator: " ") {
      let isLegacy = word.hasPrefix("!")
      let parts = word.dropFirst(isLegacy ? 1 : 0).split(separator: "=")
      let scalars = parts[1].split(separator: "+").compactMap {
        UInt32($0, radix: 16).flatMap(Unicode.Scalar.init)
      }
      table[String(parts[0])] = (scalars, isLegacy)
    }
    return table
  }()
}
