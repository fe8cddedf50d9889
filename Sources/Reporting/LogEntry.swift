/// A line of a run's `log.txt`, as written by ``LogText``: date, level, message, and named values.
package struct LogEntry {
  package let date: String
  package let level: String
  package let message: String
  package let values: [String: String]

  /// Returns nil if the text is not such a line.
  package init?(_ line: some StringProtocol) {
    let parts = line.split(separator: " ", maxSplits: 2)
    guard parts.count == 3, parts[0].contains("T"), parts[0].hasSuffix("Z") else { return nil }
    date = String(parts[0])
    level = String(parts[1])
    let words = Self.words(parts[2])
    let first = words.firstIndex { Self.pair($0) != nil } ?? words.endIndex
    message = words[..<first].joined(separator: " ")
    values = Dictionary(words[first...].compactMap(Self.pair)) { $1 }
  }

  /// Splits text into words at spaces outside quotes.
  private static func words(_ text: some StringProtocol) -> [String] {
    var words = [""]
    var isQuoted = false
    var isEscaped = false
    for character in text {
      if character == " " && !isQuoted {
        words.append("")
        continue
      }
      if character == "\"" && !isEscaped { isQuoted.toggle() }
      isEscaped = character == "\\" && !isEscaped
      words[words.count - 1].append(character)
    }
    return words
  }

  private static func pair(_ word: String) -> (String, String)? {
    guard let equals = word.firstIndex(of: "="), equals > word.startIndex,
      word[..<equals].allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" })
    else { return nil }
    let value = word[word.index(after: equals)...]
    let isQuoted = value.count >= 2 && value.hasPrefix("\"") && value.hasSuffix("\"")
    return (String(word[..<equals]), isQuoted ? LogText.unquoted(value) : String(value))
  }
}
