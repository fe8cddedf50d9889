import Models
import Tensors
import Text

/// Embeds texts for a denoiser with cross-attention: each text alone, so that its embedding does not depend on others.
public struct TextEmbedding: Sendable {
  private let texts: TextTokens
  private let encoder: any TextEncoder
  private let weights: PassWeights
  private let words: [LearnedWord]

  /// - Parameters:
  ///   - encoder: supports all of the tokeniser's tokens, and its context length.
  ///   - words: words that are new to the encoder, with vectors of its width.
  ///   - chunks: the number of chunks of each text.
  public init(
    tokenizer: CLIPTokenizer, encoder: any TextEncoder, weights: PassWeights, words: [LearnedWord] = [],
    chunks: Int = 1
  ) {
    texts = TextTokens(
      tokenizer, encoder, words: words.map { ($0.text, $0.vectors.count) }, chunks: chunks)
    self.encoder = encoder
    self.weights = weights
    self.words = words
  }

  /// [L, D] of each embedded text.
  public var shape: [Int] { texts.shape }

  /// - Returns: [L, D], and the number of tokens of the text that were cut.
  public func callAsFunction(_ text: String, engine: Engine) -> (context: [Float], cut: Int) {
    let (chunks, cut) = texts.chunks(of: text)
    let rows = words.flatMap(\.vectors)
    let context = chunks.flatMap { chunk in
      let tape = weights.tape(on: engine)
      let vectors = rows.isEmpty ? nil : tape.input([rows.count, encoder.width])
      _ = vectors?.elements.update(fromContentsOf: rows.joined())
      return Array(encoder([chunk], lengths: nil, words: vectors, on: tape).tokens.elements)
    }
    return (context, cut)
  }
}
