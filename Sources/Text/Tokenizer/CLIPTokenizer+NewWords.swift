extension CLIPTokenizer {
  /// The tokens of `text` for one pass of a text encoder, as `encode(_:)`, where words that the vocabulary lacks have
  /// tokens of their own. They are found as they are written, before cleaning; of several that begin at one place the
  /// longest.
  ///
  /// - Parameter words: each with its tokens.
  public func encode(_ text: String, words: [(text: String, tokens: [Int])]) -> TokenizedText {
    let found = ids(of: text, words: words)
    return framed(found.prefix(contextLength - 2), cut: max(0, found.count - (contextLength - 2)))
  }

  /// The ids of all of `text`'s tokens, as `ids(of:)`, where words that the vocabulary lacks have tokens of their own.
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
