/// A word that is new to a text encoder, with the vectors that textual inversion has learned for it (Gal et al., "An
/// Image is Worth One Word", 2022).
public struct LearnedWord: Sendable {
  /// The word as written in texts.
  public let text: String
  /// [n, D]: replaces the embeddings of n tokens.
  public let vectors: [[Float]]

  /// - Parameter vectors: at least one, all of the same width.
  public init(_ text: String, vectors: [[Float]]) {
    precondition(
      !text.isEmpty && Set(vectors.map(\.count)).count == 1, "\(vectors.map(\.count)) numbers for \(text)")
    self.text = text
    self.vectors = vectors
  }
}
