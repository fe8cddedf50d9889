import Models
import Tensors
import Text

/// Embeds texts for a denoiser that attends to them: each text alone, so that what becomes of it depends on no other.
public struct TextEmbedding: Sendable {
  private let tokenizer: CLIPTokenizer
  private let encoder: any TextEncoder
  private let weights: ParameterBuffer

  /// - Parameter encoder: knows the tokeniser's tokens, and takes as many of a text as that makes.
  public init(tokenizer: CLIPTokenizer, encoder: any TextEncoder, weights: ParameterBuffer) {
    precondition(
      tokenizer.vocabularySize <= encoder.vocabularySize && tokenizer.contextLength <= encoder.tokenLimit,
      "tokens below \(tokenizer.vocabularySize), \(tokenizer.contextLength) of a text, for an encoder of "
        + "\(encoder.vocabularySize) and \(encoder.tokenLimit)")
    self.tokenizer = tokenizer
    self.encoder = encoder
    self.weights = weights
  }

  /// [L, D] of every embedded text.
  public var shape: [Int] { [tokenizer.contextLength, encoder.width] }

  /// - Returns: [L, D], and how many tokens of the text had no room.
  public func callAsFunction(_ text: String, engine: Engine) -> (context: [Float], cut: Int) {
    let tokenized = tokenizer.encode(text)
    let tape = Tape(engine: engine, weights: weights, gradients: nil)
    return (Array(encoder([tokenized.tokens], on: tape).tokens.elements), tokenized.cut)
  }
}
