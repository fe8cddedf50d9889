import Layers
import Tensors

/// A network that turns tokens of texts into what a denoiser attends to.
public protocol TextEncoder: Sendable {
  var parameters: ParameterLayout { get }
  /// Tokens are numbers below it.
  var vocabularySize: Int { get }
  /// The most tokens of a text.
  var tokenLimit: Int { get }
  /// Numbers of an encoded token.
  var width: Int { get }

  /// - Parameters:
  ///   - tokens: of each of B texts, L of each.
  ///   - lengths: how many tokens of each text count, from the first; nil: all L, as Stable Diffusion has it.
  ///   - words: embeddings [n, D] of the tokens from `vocabularySize` on, which the encoder does not know; nil: none.
  func callAsFunction(_ tokens: [[Int]], lengths: [Int]?, words: Tensor?, on tape: Tape) -> EncodedText

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

/// What a text encoder makes of B texts.
public struct EncodedText {
  /// [B, L, D]: each token, after the final normalisation.
  public let tokens: Tensor
  /// The token of each text that stands for all of it.
  let ends: [Int]

  /// [B, D]: the token that stands for each text.
  public var pooled: Tensor { tokens.tokens(at: ends) }
}
