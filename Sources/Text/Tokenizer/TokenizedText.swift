/// A text as a text encoder takes it.
public struct TokenizedText: Sendable, Equatable {
  /// The ids [L]: the start token, the text's, the end token, and padding up to the tokeniser's context length L.
  public let tokens: [Int]
  /// How many of them are not padding.
  public let length: Int
  /// How many tokens of the text had no room and are missing.
  public let cut: Int
}
