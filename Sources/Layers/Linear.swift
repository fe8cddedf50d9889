import Tensors

/// PyTorch's `Linear` on vectors [B, C].
public struct Linear: Sendable {
  private let weight: Parameter
  private let bias: Parameter

  public init(_ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int) {
    let bound = 1 / Float(inputs).squareRoot()
    weight = builder.weights(
      "weight", fileShape: [outputs, inputs], outputs: outputs, inputs: inputs, taps: 1,
      .uniform(bound: bound))
    bias = builder.vector("bias", count: outputs, .uniform(bound: bound))
  }

  public func callAsFunction(_ x: Tensor) -> Tensor { x.linear(weights: x.tape(weight), bias: x.tape(bias)) }
}
