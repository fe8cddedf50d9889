import Models
import Tensors
import Text

/// Turns texts into the tokens that a text encoder takes, and encodes them on a tape.
///
/// A text with more tokens than the encoder takes is split into chunks, each with a start and an end token, whose
/// outputs are concatenated. All texts have the same number of chunks; missing ones are encoded from the empty text.
public struct TextTokens: Sendable {
  private let tokenizer: CLIPTokenizer
  private let encoder: any TextEncoder
  /// The tokens of words that are new to the encoder: after its own tokens, in order.
  private let words: [(text: String, tokens: [Int])]
  private let chunks: Int

  /// - Parameters:
  ///   - encoder: supports all of the tokeniser's tokens, and its context length.
  ///   - words: words that are new to the encoder, and how many tokens each stands for.
  ///   - chunks: the number of chunks of each text.
  public init(
    _ tokenizer: CLIPTokenizer, _ encoder: any TextEncoder, words: [(text: String, count: Int)] = [],
    chunks: Int = 1
  ) {
    precondition(chunks > 0, "\(chunks) chunks")
    precondition(
      tokenizer.vocabularySize <= encoder.vocabularySize && tokenizer.contextLength <= encoder.tokenLimit,
      "tokens below \(tokenizer.vocabularySize), \(tokenizer.contextLength) of a text, for an encoder of "
        + "\(encoder.vocabularySize) and \(encoder.tokenLimit)")
    self.tokenizer = tokenizer
    self.encoder = encoder
    self.chunks = chunks
    var next = encoder.vocabularySize
    self.words = words.map { word in
      defer { next += word.count }
      return (word.text, Array(next..<next + word.count))
    }
  }

  /// [L, D] of each encoded text.
  public var shape: [Int] { [chunks * tokenizer.contextLength, encoder.width] }

  /// The tokens of each of a text's chunks, and the number of its tokens that were cut.
  func chunks(of text: String) -> (tokens: [[Int]], cut: Int) {
    let own = tokenizer.chunks(of: text, words: words, most: chunks)
    let all = own + [TokenizedText](repeating: tokenizer.encode(""), count: chunks - own.count)
    return (all.map(\.tokens), own.reduce(0) { $0 + $1.cut })
  }

  /// Encodes texts on a tape to which the encoder's parameters are bound, so that gradients reach whatever the tape
  /// trains of it.
  ///
  /// - Parameter vectors: [n, D] of all tokens of the new words; nil if there are none.
  /// - Returns: [B, L, D].
  public func encoded(_ texts: [String], words vectors: Tensor? = nil, on tape: Tape) -> Tensor {
    encoder(texts.flatMap { chunks(of: $0).tokens }, lengths: nil, words: vectors, on: tape).tokens
      .reshaped([texts.count] + shape)
  }
}
