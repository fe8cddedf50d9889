import Foundation
import Layers
import Tensors

/// transformers' `CLIPEncoder`: the transformer used by both halves of CLIP (Radford et al., 2021).
struct CLIPTransformer: Sendable {
  private let layers: [CLIPLayer]

  init(_ builder: ParameterBuilder, _ settings: CLIPTransformerSettings) {
    layers = (0..<settings.layers).map { CLIPLayer(builder["layers"][$0], settings) }
  }

  /// [B, N, D] -> [B, N, D].
  ///
  /// - Parameters:
  ///   - isCausal: whether tokens attend only to themselves and earlier ones.
  ///   - keyMask: [B, N], 0 for a masked token.
  ///   - skipped: number of final layers to skip.
  func callAsFunction(
    _ x: Tensor, isCausal: Bool, keyMask: Tensor? = nil, skipping skipped: Int = 0
  ) -> Tensor {
    layers.dropLast(skipped).reduce(x) { x, layer in
      x.tape.checkpointed { layer(x, isCausal: isCausal, keyMask: keyMask) }
    }
  }
}

/// transformers' `CLIPEncoderLayer`: attention and an MLP, each with pre-normalisation and a residual connection.
private struct CLIPLayer: Sendable {
  private let heads: Int
  private let activation: CLIPActivation
  private let norm1: LayerNorm
  private let qkv: Linear
  private let projection: Linear
  private let norm2: LayerNorm
  private let linear1: Linear
  private let linear2: Linear

  init(_ builder: ParameterBuilder, _ settings: CLIPTransformerSettings) {
    let width = settings.width
    heads = settings.heads
    activation = settings.activation
    let attention = builder["self_attn"]
    qkv = Linear(
      attention, packing: ["q_proj", "k_proj", "v_proj"], width, each: width,
      initialization: .normal(deviation: settings.inputDeviation))
    projection = Linear(
      attention["out_proj"], width, width,
      initialization: .normal(deviation: settings.factor / Float(width).squareRoot()))
    norm1 = LayerNorm(builder["layer_norm1"], channels: width, epsilon: settings.epsilon)
    linear1 = Linear(
      builder["mlp"]["fc1"], width, settings.hiddenWidth,
      initialization: .normal(deviation: settings.factor / Float(2 * width).squareRoot()))
    linear2 = Linear(
      builder["mlp"]["fc2"], settings.hiddenWidth, width,
      initialization: .normal(deviation: settings.inputDeviation))
    norm2 = LayerNorm(builder["layer_norm2"], channels: width, epsilon: settings.epsilon)
  }

  func callAsFunction(_ x: Tensor, isCausal: Bool, keyMask: Tensor?) -> Tensor {
    let attention = qkv(norm1(x)).selfAttention(heads: heads, isCausal: isCausal, keyMask: keyMask)
    let x = projection(attention, residual: x)
    return linear2(linear1(norm2(x), activation: activation.linear), residual: x)
  }
}
