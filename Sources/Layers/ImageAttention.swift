import Kernels
import Tensors

/// Multi-head self-attention over the pixels of an image, with 1x1 convolutions before and after: the `Attention` and
/// `LinearAttention` of the U-Nets, without the normalisation that may follow.
public struct ImageAttention: Sendable {
  private let kind: AttentionKind
  private let heads: Int
  private let headWidth: Int
  private let qkv: Parameter
  private let outputWeight: Parameter
  private let outputBias: Parameter

  /// - Parameters:
  ///   - builder: the builder of the module that holds `to_qkv`.
  ///   - output: the builder of the convolution after the attention (`to_out` or `to_out.0`).
  public init(
    _ builder: ParameterBuilder, output: ParameterBuilder, kind: AttentionKind, channels: Int, heads: Int = 4,
    headWidth: Int = 32
  ) {
    self.kind = kind
    self.heads = heads
    self.headWidth = headWidth
    let hidden = heads * headWidth
    qkv = builder["to_qkv"].weights(
      "weight", fileShape: [3 * hidden, channels, 1, 1], outputs: 3 * hidden, inputs: channels, taps: 1,
      .uniform(bound: 1 / Float(channels).squareRoot()), adaptability: .merged)
    let bound = 1 / Float(hidden).squareRoot()
    outputWeight = output.weights(
      "weight", fileShape: [channels, hidden, 1, 1], outputs: channels, inputs: hidden, taps: 1,
      .uniform(bound: bound), adaptability: .merged)
    outputBias = output.vector("bias", count: channels, .uniform(bound: bound))
  }

  /// [B, H, W, C] -> [B, H, W, C].
  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.selfAttention(
      kind, heads: heads, headWidth: headWidth, qkvWeights: x.tape.adapted(qkv),
      outputWeights: x.tape.adapted(outputWeight),
      outputBias: x.tape(outputBias))
  }
}

/// The kind of attention; see `SelfAttention.Kind`.
public typealias AttentionKind = SelfAttention.Kind
