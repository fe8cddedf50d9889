import Layers
import Tensors

/// diffusers' `Transformer2DModel` on images: a normalisation, a projection, transformer blocks over the pixels, a
/// projection back, and a residual connection.
public struct Transformer2D: Sendable {
  private let norm: GroupNorm
  private let input: Linear
  private let blocks: [BasicTransformerBlock]
  private let output: Linear

  /// Settings shared by the transformers of one stage of a U-Net.
  public struct Style: Sendable {
    public var heads: Int
    public var contextWidth: Int
    public var groups: Int
    /// Whether files store the projections as linear layers rather than 1x1 convolutions.
    public var usesLinearProjection: Bool
    public var onlyCrossAttention: Bool

    public init(
      heads: Int, contextWidth: Int, groups: Int, usesLinearProjection: Bool, onlyCrossAttention: Bool = false
    ) {
      self.heads = heads
      self.contextWidth = contextWidth
      self.groups = groups
      self.usesLinearProjection = usesLinearProjection
      self.onlyCrossAttention = onlyCrossAttention
    }
  }

  /// - Parameter depth: number of blocks.
  public init(_ builder: ParameterBuilder, channels: Int, depth: Int, _ style: Style) {
    let headWidth = channels / style.heads
    let hidden = style.heads * headWidth
    norm = GroupNorm(builder["norm"], groups: style.groups, channels: channels, epsilon: 1e-6)
    input = Linear(builder["proj_in"], channels, hidden, isConvolution: !style.usesLinearProjection)
    blocks = (0..<depth).map { index in
      BasicTransformerBlock(
        builder["transformer_blocks"][index], channels: hidden, heads: style.heads, headWidth: headWidth,
        contextWidth: style.contextWidth, onlyCrossAttention: style.onlyCrossAttention)
    }
    output = Linear(builder["proj_out"], hidden, channels, isConvolution: !style.usesLinearProjection)
  }

  /// [B, H, W, C] -> [B, H, W, C].
  public func callAsFunction(_ x: Tensor, context: TokenContext) -> Tensor {
    x.tape.checkpointed {
      var h = input(norm(x))
      for block in blocks { h = block(h, context: context) }
      return output(h, residual: x)
    }
  }
}
