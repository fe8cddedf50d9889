import Layers
import Tensors

/// diffusers' `Attention` in a transformer block: tokens [B, ..., C] attend to each other or to the tokens of a
/// context. The projections of queries, keys and values have no biases.
public struct TokenAttention: Sendable {
  private let heads: Int
  private let input: Input
  private let output: Linear

  private enum Input {
    /// Queries, keys and values of the tokens in one product.
    case ofThemselves(Linear)
    case ofContext(queries: Linear, keysAndValues: Linear)
  }

  /// - Parameters:
  ///   - channels: C.
  ///   - contextWidth: width of the context's tokens; nil for self-attention.
  public init(
    _ builder: ParameterBuilder, channels: Int, heads: Int, headWidth: Int, contextWidth: Int? = nil
  ) {
    let hidden = heads * headWidth
    self.heads = heads
    if let contextWidth {
      input = .ofContext(
        queries: Linear(builder["to_q"], channels, hidden, hasBias: false),
        keysAndValues: Linear(builder, packing: ["to_k", "to_v"], contextWidth, each: hidden, hasBias: false))
    } else {
      input = .ofThemselves(
        Linear(builder, packing: ["to_q", "to_k", "to_v"], channels, each: hidden, hasBias: false))
    }
    output = Linear(builder["to_out"][0], hidden, channels)
  }

  /// - Parameters:
  ///   - context: the tokens to attend to; nil for self-attention.
  ///   - residual: added to the result.
  public func callAsFunction(_ x: Tensor, context: TokenContext? = nil, residual: Tensor) -> Tensor {
    switch input {
    case .ofThemselves(let qkv): return output(qkv(x).selfAttention(heads: heads), residual: residual)
    case .ofContext(let queries, let keysAndValues):
      guard let context else { preconditionFailure("attention to a context, and there is none") }
      let attentionOutput = queries(x).crossAttention(
        to: keysAndValues(context.tokens), heads: heads, keyMask: context.mask)
      return output(attentionOutput, residual: residual)
    }
  }
}

/// Tokens to attend to.
public struct TokenContext {
  /// [B, L, D].
  public let tokens: Tensor
  /// [B, L], 0 for a masked token; nil masks none.
  public let mask: Tensor?

  /// - Parameter lengths: number of valid leading tokens of each sample; nil if all are valid.
  public init(_ tokens: Tensor, lengths: [Int]? = nil) {
    precondition(tokens.shape.count == 3, "a context is [B, L, D], not \(tokens.shape)")
    self.tokens = tokens
    let (batch, count) = (tokens.shape[0], tokens.shape[1])
    guard let lengths, lengths.contains(where: { $0 < count }) else {
      mask = nil
      return
    }
    precondition(
      lengths.count == batch && lengths.allSatisfy { (0...count).contains($0) },
      "lengths \(lengths) for a context \(tokens.shape)")
    let mask = tokens.tape.input([batch, count])
    for index in mask.elements.indices {
      mask.elements[index] = index % count < lengths[index / count] ? 1 : 0
    }
    self.mask = mask
  }
}
