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
  func callAsFunction(_ tokens: [[Int]], lengths: [Int]?, on tape: Tape) -> EncodedText
}

extension TextEncoder {
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
