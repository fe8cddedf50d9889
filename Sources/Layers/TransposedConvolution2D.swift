import Tensors

/// PyTorch's `ConvTranspose2d` on images [B, H, W, C].
public struct TransposedConvolution2D: Sendable {
  private let weight: Parameter
  private let bias: Parameter
  private let kernel: Int
  private let stride: Int
  private let padding: Int

  public init(
    _ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int, padding: Int
  ) {
    // The weights are those of the adjoint convolution, from `outputs` to `inputs` channels, whose fan in PyTorch's
    // initialisation uses.
    let bound = 1 / Float(outputs * kernel * kernel).squareRoot()
    weight = builder.weights(
      "weight", fileShape: [inputs, outputs, kernel, kernel], outputs: inputs, inputs: outputs,
      taps: kernel * kernel, .uniform(bound: bound))
    bias = builder.vector("bias", count: outputs, .uniform(bound: bound))
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
  }

  public func callAsFunction(_ x: Tensor) -> Tensor {
    x.transposedConvolution(
      weights: x.tape(weight), bias: x.tape(bias), kernel: kernel, stride: stride, padding: padding)
  }
}
