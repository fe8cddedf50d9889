import Layers
import Tensors

/// diffusers' `Attention` between the pixels of an image, as `UNet2DModel` and `AutoencoderKL` use it: a normalisation,
/// projections with biases, and a shortcut around.
public struct SpatialAttention: Sendable {
  private let norm: GroupNorm?
  private let heads: Int
  private let qkv: Linear
  private let output: Linear
  private let outputScale: Float

  /// - Parameters:
  ///   - headWidth: channels of a head.
  ///   - groups: of the normalisation; nil: there is none.
  ///   - outputScale: the sum with the shortcut is divided by it.
  public init(
    _ builder: ParameterBuilder, channels: Int, headWidth: Int, groups: Int?, epsilon: Float,
    outputScale: Float = 1
  ) {
    precondition(channels >= headWidth, "\(channels) channels in heads of \(headWidth)")
    norm = groups.map { GroupNorm(builder["group_norm"], groups: $0, channels: channels, epsilon: epsilon) }
    heads = channels / headWidth
    // As many as fit: where they do not divide the channels, the attention has fewer of these.
    let hidden = heads * headWidth
    qkv = Linear(builder, packing: ["to_q", "to_k", "to_v"], channels, each: hidden)
    output = Linear(builder["to_out"][0], hidden, channels)
    self.outputScale = outputScale
  }

  /// [B, H, W, C] -> [B, H, W, C].
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.tape.checkpointed {
      let sum = output(qkv(norm.map { $0(x) } ?? x).attended(heads: heads), residual: x)
      return outputScale == 1 ? sum : sum.scaled(by: 1 / outputScale)
    }
  }
}
