/// Finds the words of a cleaned text: contraction endings, runs of letters, single numbers, and runs of characters that
/// are neither letters, numbers nor white space. Follows CLIP's regular expression
/// `'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`, preceded by the texts of special tokens as
/// alternatives.
struct WordScanner: Sendable {
  /// The texts of special tokens. No word extends into or out of one.
  let names: [[Unicode.Scalar]]
  /// Whether those texts are words themselves, or are scanned for words.
  let keepsNames: Bool
  let version: UnicodeVersion
  /// Whether a long s (ſ) counts as an s, as in case-insensitive matching.
  let foldsCase: Bool

  private enum Class { case space, letter, number, other }

  private func classify(_ scalar: Unicode.Scalar) -> Class {
    if scalar.isLetter(asOf: version) { return .letter }
    if scalar.isNumber(asOf: version) { return .number }
    return scalar.properties.isWhitespace ? .space : .other
  }

  /// Calls `body` with each word, and with its index in `names` if it is the text of a special token.
  func forEachWord(in text: [Unicode.Scalar], _ body: (ArraySlice<Unicode.Scalar>, _ name: Int?) -> Void) {
    var place = 0
    while place < text.count {
      if let name = names.firstIndex(where: { text[place...].starts(with: $0) }) {
        let end = place + names[name].count
        if keepsNames {
          body(text[place..<end], name)
        } else {
          forEachWord(in: text[place..<end], body)
        }
        place = end
      } else {
        let end = end(ofWordAt: place, in: text[...])
        if end > place { body(text[place..<end], nil) }
        place = max(end, place + 1)
      }
    }
  }

  private func forEachWord(
    in text: ArraySlice<Unicode.Scalar>, _ body: (ArraySlice<Unicode.Scalar>, _ name: Int?) -> Void
  ) {
    var place = text.startIndex
    while place < text.endIndex {
      let end = end(ofWordAt: place, in: text)
      if end > place { body(text[place..<end], nil) }
      place = max(end, place + 1)
    }
  }

  /// The index after the word that starts at `place`; `place` itself at white space.
  private func end(ofWordAt place: Int, in text: ArraySlice<Unicode.Scalar>) -> Int {
    if text[place] == "'" {
      let rest = text[(place + 1)...]
      for ending in Self.contractions where rest.starts(with: ending, by: matches) {
        return place + 1 + ending.count
      }
    }
    let kind = classify(text[place])
    switch kind {
    case .space: return place
    case .number: return place + 1
    case .letter, .other:
      var end = place + 1
      while end < text.endIndex, classify(text[end]) == kind { end += 1 }
      return end
    }
  }

  private func matches(_ scalar: Unicode.Scalar, _ letter: Unicode.Scalar) -> Bool {
    scalar == letter || (foldsCase && letter == "s" && scalar == "\u{17F}")
  }

  private static let contractions = ["s", "t", "re", "ve", "m", "ll", "d"].map { Array($0.unicodeScalars) }
}
