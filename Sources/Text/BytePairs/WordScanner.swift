/// Finds the words of a text that was cleaned: contractions' endings, runs of letters, single numbers, and runs of
/// what is none of these nor white space. As CLIP's regular expression
/// `'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`, with the special tokens' texts as alternatives before.
struct WordScanner: Sendable {
  /// The texts of special tokens. Where one stands, nothing before it runs into it, nor it into what follows.
  let names: [[Unicode.Scalar]]
  /// Whether those texts are words themselves, or only looked through for words.
  let keepsNames: Bool
  let version: UnicodeVersion
  /// Whether a long s counts as an s, as it does where upper and lower case are not told apart.
  let foldsCase: Bool

  private enum Class { case space, letter, number, other }

  private func classify(_ scalar: Unicode.Scalar) -> Class {
    if scalar.isLetter(asOf: version) { return .letter }
    if scalar.isNumber(asOf: version) { return .number }
    return scalar.properties.isWhitespace ? .space : .other
  }

  /// Calls `body` with each word, and with the place in `names` of one that is a special token's text.
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

  /// The place behind the word that starts at `place`; `place` itself where there is white space.
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
