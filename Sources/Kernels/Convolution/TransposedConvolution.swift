/// 2-D transposed convolution: the adjoint of a convolution, plus a bias.
///
/// `shape` is that of the convolution, whose output is the input here. Layouts, in its dimension letters: input
/// [B, P, Q, K], weights [R, R, C, K], bias [C], output [B, H, W, C].
public enum TransposedConvolution {
  /// The convolution whose transpose maps images of `height` x `width` to the smallest possible output.
  ///
  /// Equivalent to PyTorch's `ConvTranspose2d` without output padding: output sides are (n - 1) stride - 2 padding +
  /// kernel.
  public static func shape(
    batch: Int, height: Int, width: Int, inputChannels: Int, outputChannels: Int, kernel: Int, stride: Int,
    padding: Int, precision: ProductPrecision = .float32
  ) -> ConvolutionShape {
    ConvolutionShape(
      batch: batch, height: (height - 1) * stride - 2 * padding + kernel,
      width: (width - 1) * stride - 2 * padding + kernel, inputChannels: [outputChannels],
      outputChannels: inputChannels, kernel: kernel, stride: stride, padding: padding,
      precision: precision)
  }

  public static func forward(
    _ shape: ConvolutionShape, _ x: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    bias: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    if shape.isHalving {
      Convolution.halvingInputGradient(
        shape, outputGradient: x, weights: weights, bias: bias, inputGradient: output, pool: pool)
    } else {
      PatchConvolution(shape: shape).inputGradient(
        outputGradient: x, weights: weights, inputGradients: [output], pool: pool)
      BroadcastAdd.add(
        output, vectors: bias, stride: 0, batch: shape.batch, pixels: shape.height * shape.width,
        channels: shape.channels, output: output, pool: pool)
    }
  }

  /// Writes the gradient of the input, and accumulates those of weights and bias; nil skips a gradient.
  public static func backward(
    _ shape: ConvolutionShape, _ x: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    outputGradient: UnsafePointer<Float>, inputGradient: UnsafeMutablePointer<Float>?,
    weightGradient: GradientSum?, biasGradient: UnsafeMutablePointer<Float>?, pool: ThreadPool
  ) {
    if let inputGradient {
      Convolution.forward(
        shape, inputs: [outputGradient], weights: weights, bias: nil, output: inputGradient, pool: pool)
    }
    if let weightGradient {
      Convolution.addWeightGradient(
        shape, inputs: [outputGradient], outputGradient: x, to: weightGradient, pool: pool)
    }
    if let biasGradient {
      Reduction.addColumnSums(
        outputGradient, rows: shape.batch * shape.height * shape.width, columns: shape.channels,
        to: biasGradient, pool: pool)
    }
  }
}
