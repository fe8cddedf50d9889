import Layers
import Tensors

/// diffusers' `Attention` between the pixels of an image, as used by `UNet2DModel` and `AutoencoderKL`: normalisation,
/// projections with biases, and a residual connection.
public struct SpatialAttention: Sendable {
  private let norm: GroupNorm?
  private let heads: Int
  private let qkv: Linear
  private let output: Linear
  private let outputScale: Float

  /// - Parameters:
  ///   - headWidth: channels per head.
  ///   - groups: groups of the normalisation; nil disables it.
  ///   - outputScale: divisor of the sum with the shortcut.
  public init(
    _ builder: ParameterBuilder, channels: Int, headWidth: Int, groups: Int?, epsilon: Float,
    outputScale: Float = 1
  ) {
    precondition(channels >= headWidth, "\(channels) channels in heads of \(headWidth)")
    norm = groups.map { GroupNorm(builder["group_norm"], groups: $0, channels: channels, epsilon: epsilon) }
    heads = channels / headWidth
    // As many heads as fit: if the head width does not divide the channels, the attention is narrower.
    let hidden = heads * headWidth
    qkv = Linear(builder, packing: ["to_q", "to_k", "to_v"], channels, each: hidden)
    output = Linear(builder["to_out"][0], hidden, channels)
    self.outputScale = outputScale
  }

  /// [B, H, W, C] -> [B, H, W, C].
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.tape.checkpointed {
      let sum = output(qkv(norm.map { $0(x) } ?? x).selfAttention(heads: heads), residual: x)
      return outputScale == 1 ? sum : sum.scaled(by: 1 / outputScale)
    }
  }
}
