/// 2-D convolution, by the algorithm that suits the shape.
///
/// Layouts: inputs [B, H, W, Ci], weights [R, R, C, K], bias [K], output [B, P, Q, K].
public enum Convolution {
  /// output = weights * inputs + bias.
  public static func forward(
    _ shape: ConvolutionShape, inputs: [UnsafePointer<Float>], weights: UnsafePointer<Float>,
    bias: UnsafePointer<Float>?, output: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    if let winograd = WinogradConvolution(shape) {
      winograd.forward(inputs: inputs, weights: weights, bias: bias, output: output, pool: pool)
    } else {
      PatchConvolution(shape: shape)
        .forward(inputs: inputs, weights: weights, bias: bias, output: output, pool: pool)
    }
  }

  /// Writes the gradients of the inputs, and adds those of weights and bias; what is nil is left out.
  public static func backward(
    _ shape: ConvolutionShape, inputs: [UnsafePointer<Float>], weights: UnsafePointer<Float>,
    outputGradient: UnsafePointer<Float>, inputGradients: [UnsafeMutablePointer<Float>?],
    weightGradient: UnsafeMutablePointer<Float>?, biasGradient: UnsafeMutablePointer<Float>?, pool: ThreadPool
  ) {
    if let biasGradient {
      Reduction.addColumnSums(
        outputGradient, rows: shape.outputPixels, columns: shape.outputChannels, to: biasGradient, pool: pool)
    }
    let wantsInputs = inputGradients.contains { $0 != nil }
    if let winograd = WinogradConvolution(shape) {
      if let weightGradient {
        winograd.addWeightGradient(
          inputs: inputs, outputGradient: outputGradient, gradient: weightGradient, pool: pool)
      }
      if wantsInputs {
        winograd.inputGradient(
          outputGradient: outputGradient, weights: weights, inputGradients: inputGradients, pool: pool)
      }
    } else {
      let patches = PatchConvolution(shape: shape)
      if let weightGradient {
        patches.addWeightGradient(
          inputs: inputs, outputGradient: outputGradient, gradient: weightGradient, pool: pool)
      }
      if wantsInputs {
        patches.inputGradient(
          outputGradient: outputGradient, weights: weights, inputGradients: inputGradients, pool: pool)
      }
    }
  }
}
