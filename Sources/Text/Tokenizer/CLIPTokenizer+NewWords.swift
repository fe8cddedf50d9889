extension CLIPTokenizer {
  /// The tokens of `text` for one pass of a text encoder, like `encode(_:)`, where words missing from the vocabulary
  /// have their own tokens. They are matched as written, before cleaning; the longest match at a position wins.
  ///
  /// - Parameter words: the words, each with its tokens.
  public func encode(_ text: String, words: [(text: String, tokens: [Int])]) -> TokenizedText {
    let found = ids(of: text, words: words)
    return framed(found.prefix(contextLength - 2), cut: max(0, found.count - (contextLength - 2)))
  }

  /// The ids of all tokens of `text`, like `ids(of:)`, where words missing from the vocabulary have their own tokens.
  func ids(of text: String, words: [(text: String, tokens: [Int])]) -> [Int] {
    let patterns = words.enumerated().filter { !$0.element.text.isEmpty }.map {
      (scalars: Array($0.element.text.unicodeScalars), isSingleWord: false, id: Int32($0.offset))
    }
    guard !patterns.isEmpty else { return ids(of: text) }
    let pieces = AddedTokenFinder(patterns).pieces(of: Array(text.unicodeScalars))
    return pieces.flatMap { piece -> [Int] in
      switch piece {
      case .token(let word): words[Int(word)].tokens
      case .text(let scalars): ids(of: String(String.UnicodeScalarView(scalars)))
      }
    }
  }
}
