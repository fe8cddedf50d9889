/// A tokenised text, ready for a text encoder.
public struct TokenizedText: Sendable, Equatable {
  /// The ids [L]: the start token, the text's tokens, the end token, and padding up to the tokeniser's context length
  /// L.
  public let tokens: [Int]
  /// The number of tokens that are not padding.
  public let length: Int
  /// The number of tokens of the text that did not fit and were cut.
  public let cut: Int
}
