import Tensors

/// PyTorch's `LayerNorm` over the channels of [B, ..., C].
public struct LayerNorm: Sendable {
  private let weight: Parameter
  private let bias: Parameter
  private let epsilon: Float

  /// - Parameter epsilon: added to the variance.
  public init(_ builder: ParameterBuilder, channels: Int, epsilon: Float = 1e-5) {
    self.epsilon = epsilon
    weight = builder.vector("weight", count: channels, .ones)
    bias = builder.vector("bias", count: channels, .zeros)
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.layerNormalized(gamma: x.tape(weight), beta: x.tape(bias), epsilon: epsilon)
  }
}
