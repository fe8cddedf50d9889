import Tensors

/// PyTorch's `LayerNorm` over the channels of [B, ..., C].
public struct LayerNorm: Sendable {
  private let weight: Parameter
  private let bias: Parameter

  public init(_ builder: ParameterBuilder, channels: Int) {
    weight = builder.vector("weight", count: channels, .ones)
    bias = builder.vector("bias", count: channels, .zeros)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.layerNormalized(gamma: x.tape(weight), beta: x.tape(bias), epsilon: 1e-5)
  }
}
