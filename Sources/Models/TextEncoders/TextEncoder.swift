import Layers
import Tensors

/// A network that encodes text tokens into the context that a denoiser attends to.
public protocol TextEncoder: Sendable {
  /// The parameters of the encoder's set, which may also hold those of networks created before.
  var parameters: ParameterLayout { get }
  /// Number of tokens in the vocabulary; all token numbers are below it.
  var vocabularySize: Int { get }
  /// Maximum number of tokens per text.
  var tokenLimit: Int { get }
  /// Width of an encoded token.
  var width: Int { get }

  /// - Parameters:
  ///   - tokens: tokens of B texts, L each.
  ///   - lengths: number of valid leading tokens of each text; nil if all L are valid, as in Stable Diffusion.
  ///   - words: embeddings [n, D] of tokens numbered from `vocabularySize` on, outside the encoder's vocabulary; nil if
  ///     there are none.
  func callAsFunction(_ tokens: [[Int]], lengths: [Int]?, words: Tensor?, on tape: Tape) -> EncodedText

  /// The same network with parameters in `builder`, whose layout so far then is its own.
  func placed(in builder: ParameterBuilder) -> any TextEncoder

  /// The embedding [D] of a token.
  func embedding(of token: Int, _ weights: ParameterBuffer) -> [Float]
}

extension TextEncoder {
  public func callAsFunction(_ tokens: [[Int]], lengths: [Int]?, on tape: Tape) -> EncodedText {
    self(tokens, lengths: lengths, words: nil, on: tape)
  }

  public func callAsFunction(_ tokens: [[Int]], on tape: Tape) -> EncodedText {
    self(tokens, lengths: nil, on: tape)
  }
}

/// The output of a text encoder for B texts.
public struct EncodedText {
  /// [B, L, D]: each token, after the final normalisation.
  public let tokens: Tensor
  /// Position in each text of the token that represents it.
  let ends: [Int]

  /// [B, D]: the token that represents each text.
  public var pooled: Tensor { tokens.tokens(at: ends) }
}
