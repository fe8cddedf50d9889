/// A word that a text encoder does not know, and what textual inversion has found for it (Gal et al., "An Image is Worth One
/// Word", 2022).
public struct LearnedWord: Sendable {
  /// As texts write it.
  public let text: String
  /// [n, D]: in the place of the embeddings of n tokens.
  public let vectors: [[Float]]

  /// - Parameter vectors: some, of one width.
  public init(_ text: String, vectors: [[Float]]) {
    precondition(
      !text.isEmpty && Set(vectors.map(\.count)).count == 1, "\(vectors.map(\.count)) numbers for \(text)")
    self.text = text
    self.vectors = vectors
  }
}
