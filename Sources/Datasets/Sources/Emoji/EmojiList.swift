import Foundation

/// A character sequence that forms one emoji, as listed in Unicode's `emoji-test.txt`.
struct Emoji: Sendable, Equatable {
  let characters: [UInt32]
  /// Its name in English, such as `woman astronaut: dark skin tone`.
  let name: String
  /// Index of its group in `EmojiList.groups`.
  let group: Int

  /// Whether it is held out from training, to test whether learned parts are recombined: for each profession and each
  /// hair style, people of one skin tone. Every part also occurs in other emoji.
  var isHeldOut: Bool {
    let tones = characters.filter(Self.tones.contains)
    guard Set(tones).count == 1, let attribute = characters.compactMap(Self.attributes.firstIndex).first
    else {
      return false
    }
    return Int(tones[0] - Self.tones.lowerBound) == attribute % Self.tones.count
  }

  private static let tones: ClosedRange<UInt32> = 0x1F3FB...0x1F3FF

  /// Hair components, then role components (Unicode Technical Standard 51, "Emoji ZWJ sequences").
  private static let attributes: [UInt32] = [
    0x1F9B0, 0x1F9B1, 0x1F9B2, 0x1F9B3, 0x2695, 0x1F393, 0x1F3EB, 0x2696, 0x1F33E, 0x1F373, 0x1F527, 0x1F3ED,
    0x1F4BC, 0x1F52C, 0x1F4BB, 0x1F3A4, 0x1F3A8, 0x2708, 0x1F680, 0x1F692,
  ]
}

/// Unicode's list of emoji.
struct EmojiList {
  let groups: [String]
  /// The fully qualified ones, in the list's order.
  let emoji: [Emoji]

  /// `1F600 ; fully-qualified # (itself) E1.0 grinning face`, matched by scalars: a lone skin tone combines with what
  /// precedes it.
  private static var entry: Regex<(Substring, Substring, Substring, Substring)> {
    /([0-9A-F ]+?) *; *([a-z-]+) *# .+? E[0-9.]+ (.+)/.matchingSemantics(.unicodeScalar)
  }

  /// - Throws: `DatasetError` for text that is not such a list.
  init(_ text: String, path: String) throws {
    var groups: [String] = []
    var emoji: [Emoji] = []
    let entry = Self.entry
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      if let name = line.wholeMatch(of: /# group: (.+)/)?.output.1 { groups.append(String(name)) }
      guard !line.hasPrefix("#"), !line.allSatisfy(\.isWhitespace) else { continue }
      guard let match = line.wholeMatch(of: entry), !groups.isEmpty
      else {
        throw DatasetError.badData(
          "\(path), line \(index + 1)",
          "is no line of emoji-test.txt, such as \"1F600 ; fully-qualified # ... E1.0 grinning face\"")
      }
      guard match.output.2 == "fully-qualified" else { continue }
      emoji.append(
        Emoji(
          characters: match.output.1.split(separator: " ").compactMap { UInt32($0, radix: 16) },
          name: String(match.output.3), group: groups.count - 1))
    }
    guard !emoji.isEmpty else { throw DatasetError.badData(path, "lists no emoji") }
    self.groups = groups
    self.emoji = emoji
  }
}
