import Foundation
import Layers
import Tensors

/// transformers' `CLIPEncoder`: the transformer that CLIP's two halves (Radford et al., 2021) have in common.
struct CLIPTransformer: Sendable {
  private let layers: [CLIPLayer]

  init(_ builder: ParameterBuilder, _ settings: CLIPTransformerSettings) {
    layers = (0..<settings.layers).map { CLIPLayer(builder["layers"][$0], settings) }
  }

  /// [B, N, D] -> [B, N, D].
  ///
  /// - Parameters:
  ///   - isCausal: whether a token attends to none after it.
  ///   - keyMask: [B, N], 0 for a token that gets no attention.
  ///   - skipped: layers that are left out at the end.
  func callAsFunction(
    _ x: Tensor, isCausal: Bool, keyMask: Tensor? = nil, skipping skipped: Int = 0
  ) -> Tensor {
    layers.dropLast(skipped).reduce(x) { x, layer in
      x.tape.checkpointed { layer(x, isCausal: isCausal, keyMask: keyMask) }
    }
  }
}

/// transformers' `CLIPEncoderLayer`: attention and a perceptron, each normalised before and added to what it was
/// computed of.
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
    let attended = qkv(norm1(x)).attended(heads: heads, isCausal: isCausal, keyMask: keyMask)
    let x = projection(attended, residual: x)
    return linear2(linear1(norm2(x), activation: activation.linear), residual: x)
  }
}
