import Layers
import Tensors

/// diffusers' `BasicTransformerBlock` with layer normalisation: self-attention, attention to the context and a gated
/// MLP, each with pre-normalisation and a residual connection (Rombach et al., 2022).
public struct BasicTransformerBlock: Sendable {
  private let norm1: LayerNorm
  private let attention1: TokenAttention
  private let norm2: LayerNorm
  private let attention2: TokenAttention
  private let norm3: LayerNorm
  private let feedForward: FeedForward
  private let onlyCrossAttention: Bool

  /// - Parameters:
  ///   - contextWidth: width of the context's tokens.
  ///   - onlyCrossAttention: whether the first attention attends to the context as well.
  public init(
    _ builder: ParameterBuilder, channels: Int, heads: Int, headWidth: Int, contextWidth: Int,
    onlyCrossAttention: Bool
  ) {
    self.onlyCrossAttention = onlyCrossAttention
    norm1 = LayerNorm(builder["norm1"], channels: channels)
    attention1 = TokenAttention(
      builder["attn1"], channels: channels, heads: heads, headWidth: headWidth,
      contextWidth: onlyCrossAttention ? contextWidth : nil)
    norm2 = LayerNorm(builder["norm2"], channels: channels)
    attention2 = TokenAttention(
      builder["attn2"], channels: channels, heads: heads, headWidth: headWidth, contextWidth: contextWidth)
    norm3 = LayerNorm(builder["norm3"], channels: channels)
    feedForward = FeedForward(builder["ff"], channels: channels)
  }

  /// [B, ..., C] -> [B, ..., C].
  public func callAsFunction(_ x: Tensor, context: TokenContext) -> Tensor {
    let attended = attention1(norm1(x), context: onlyCrossAttention ? context : nil, residual: x)
    let informed = attention2(norm2(attended), context: context, residual: attended)
    return feedForward(norm3(informed), residual: informed)
  }
}

/// diffusers' `FeedForward` with GEGLU (Shazeer, 2020): a linear layer, one half of whose output gates the other,
/// followed by a second linear layer.
public struct FeedForward: Sendable {
  private let input: Linear
  private let output: Linear

  public init(_ builder: ParameterBuilder, channels: Int) {
    let hidden = 4 * channels
    input = Linear(builder["net"][0]["proj"], channels, 2 * hidden)
    output = Linear(builder["net"][2], hidden, channels)
  }

  /// - Parameter residual: added to the result.
  public func callAsFunction(_ x: Tensor, residual: Tensor) -> Tensor {
    output(input(x).gatedGELU(), residual: residual)
  }
}
