import Models
import Tensors
import Text

/// Embeds texts for a denoiser with cross-attention: each text alone, so that its embedding does not depend on others.
///
/// A text with more tokens than the encoder takes is split into chunks, each with a start and an end token, whose
/// outputs are concatenated. All texts have the same number of chunks; missing ones are encoded from the empty text.
public struct TextEmbedding: Sendable {
  private let tokenizer: CLIPTokenizer
  private let encoder: any TextEncoder
  private let weights: ParameterBuffer
  private let words: [LearnedWord]
  private let tokens: [(text: String, tokens: [Int])]
  private let chunks: Int

  /// - Parameters:
  ///   - encoder: supports all of the tokeniser's tokens, and its context length.
  ///   - words: words that are new to the encoder, with vectors of its width.
  ///   - chunks: the number of chunks of each text.
  public init(
    tokenizer: CLIPTokenizer, encoder: any TextEncoder, weights: ParameterBuffer, words: [LearnedWord] = [],
    chunks: Int = 1
  ) {
    precondition(chunks > 0, "\(chunks) chunks")
    precondition(
      tokenizer.vocabularySize <= encoder.vocabularySize && tokenizer.contextLength <= encoder.tokenLimit,
      "tokens below \(tokenizer.vocabularySize), \(tokenizer.contextLength) of a text, for an encoder of "
        + "\(encoder.vocabularySize) and \(encoder.tokenLimit)")
    self.tokenizer = tokenizer
    self.encoder = encoder
    self.weights = weights
    self.chunks = chunks
    self.words = words
    tokens = Self.tokens(of: words.map { ($0.text, $0.vectors.count) }, behind: encoder)
  }

  /// The tokens of words that are new to an encoder: after its own tokens, in order.
  public static func tokens(
    of words: [(text: String, count: Int)], behind encoder: any TextEncoder
  ) -> [(text: String, tokens: [Int])] {
    var next = encoder.vocabularySize
    return words.map { word in
      defer { next += word.count }
      return (word.text, Array(next..<next + word.count))
    }
  }

  /// [L, D] of each embedded text.
  public var shape: [Int] { [chunks * tokenizer.contextLength, encoder.width] }

  /// - Returns: [L, D], and the number of tokens of the text that were cut.
  public func callAsFunction(_ text: String, engine: Engine) -> (context: [Float], cut: Int) {
    let own = tokenizer.chunks(of: text, words: tokens, most: chunks)
    let all = own + [TokenizedText](repeating: tokenizer.encode(""), count: chunks - own.count)
    let rows = words.flatMap(\.vectors)
    let context = all.flatMap { chunk in
      let tape = Tape(engine: engine, weights: weights, gradients: nil)
      let vectors = rows.isEmpty ? nil : tape.input([rows.count, encoder.width])
      _ = vectors?.elements.update(fromContentsOf: rows.joined())
      return Array(encoder([chunk.tokens], lengths: nil, words: vectors, on: tape).tokens.elements)
    }
    return (context, own.reduce(0) { $0 + $1.cut })
  }
}
