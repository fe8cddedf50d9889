/// 2-D convolution, by the algorithm best suited to the shape.
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
    } else if let phased = PhasedWinogradConvolution(shape) {
      phased.forward(input: inputs[0], weights: weights, bias: bias, output: output, pool: pool)
    } else if let taps = TapConvolution(shape) {
      taps.forward(inputs: inputs, weights: weights, bias: bias, output: output, pool: pool)
    } else {
      PatchConvolution(shape: shape)
        .forward(inputs: inputs, weights: weights, bias: bias, output: output, pool: pool)
    }
  }

  /// Writes the gradients of the inputs, and accumulates those of weights and bias; nil skips a gradient.
  public static func backward(
    _ shape: ConvolutionShape, inputs: [UnsafePointer<Float>], weights: UnsafePointer<Float>,
    outputGradient: UnsafePointer<Float>, inputGradients: [UnsafeMutablePointer<Float>?],
    weightGradient: GradientSum?, biasGradient: UnsafeMutablePointer<Float>?, pool: ThreadPool
  ) {
    if let weightGradient {
      addWeightGradient(
        shape, inputs: inputs, outputGradient: outputGradient, to: weightGradient,
        biasGradient: biasGradient, pool: pool)
    } else if let biasGradient {
      addBiasGradient(shape, outputGradient, to: biasGradient, pool)
    }
    if inputGradients.contains(where: { $0 != nil }) {
      inputGradient(
        shape, outputGradient: outputGradient, weights: weights, inputGradients: inputGradients, pool: pool)
    }
  }

  private static func addBiasGradient(
    _ shape: ConvolutionShape, _ outputGradient: UnsafePointer<Float>,
    to gradient: UnsafeMutablePointer<Float>, _ pool: ThreadPool
  ) {
    Reduction.addColumnSums(
      outputGradient, rows: shape.outputPixels, columns: shape.outputChannels, to: gradient, pool: pool)
  }

  /// Accumulates the weights' gradient [R, R, C, K] in `gradient`, and the bias's in `biasGradient` unless it is nil.
  static func addWeightGradient(
    _ shape: ConvolutionShape, inputs: [UnsafePointer<Float>], outputGradient: UnsafePointer<Float>,
    to gradient: GradientSum, biasGradient: UnsafeMutablePointer<Float>? = nil, pool: ThreadPool
  ) {
    if let winograd = WinogradConvolution(shape) {
      winograd.addWeightGradient(
        inputs: inputs, outputGradient: outputGradient, gradient: gradient, biasGradient: biasGradient,
        pool: pool)
      return
    }
    if let phased = PhasedWinogradConvolution(shape) {
      phased.addWeightGradient(
        input: inputs[0], outputGradient: outputGradient, gradient: gradient, biasGradient: biasGradient,
        pool: pool)
      return
    }
    if let biasGradient { addBiasGradient(shape, outputGradient, to: biasGradient, pool) }
    if let taps = TapConvolution(shape) {
      taps.addWeightGradient(inputs: inputs, outputGradient: outputGradient, gradient: gradient, pool: pool)
    } else {
      PatchConvolution(shape: shape)
        .addWeightGradient(inputs: inputs, outputGradient: outputGradient, gradient: gradient, pool: pool)
    }
  }

  private static func inputGradient(
    _ shape: ConvolutionShape, outputGradient: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    inputGradients: [UnsafeMutablePointer<Float>?], pool: ThreadPool
  ) {
    if let winograd = WinogradConvolution(shape) {
      winograd.inputGradient(
        outputGradient: outputGradient, weights: weights, inputGradients: inputGradients, pool: pool)
    } else if shape.isHalving, let gradient = inputGradients[0] {
      halvingInputGradient(
        shape, outputGradient: outputGradient, weights: weights, bias: nil, inputGradient: gradient,
        pool: pool)
    } else if shape.isPointwise, let taps = TapConvolution(shape) {
      taps.pointwiseInputGradient(
        outputGradient: outputGradient, weights: weights, inputGradients: inputGradients, pool: pool)
    } else {
      PatchConvolution(shape: shape)
        .inputGradient(
          outputGradient: outputGradient, weights: weights, inputGradients: inputGradients, pool: pool)
    }
  }

  /// Writes the input gradient of a convolution that halves even sides, plus an optional `bias` [C].
  static func halvingInputGradient(
    _ shape: ConvolutionShape, outputGradient: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    bias: UnsafePointer<Float>?, inputGradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    if let winograd = PhasedWinogradConvolution(shape) {
      winograd.inputGradient(
        outputGradient: outputGradient, weights: weights, bias: bias, inputGradient: inputGradient,
        pool: pool)
    } else {
      PhasedConvolution(shape: shape).inputGradient(
        outputGradient: outputGradient, weights: weights, bias: bias, inputGradient: inputGradient,
        pool: pool)
    }
  }

  // MARK: Fused weight gradients

  /// Whether `updateWeights` supports a shape and is worthwhile for it: whether the gradient is larger than its
  /// operands.
  public static func canUpdateWeights(_ shape: ConvolutionShape) -> Bool {
    let images = shape.batch * shape.height * shape.width * shape.channels
    let outputs = shape.outputPixels * shape.outputChannels
    guard images + outputs <= shape.patchLength * shape.outputChannels else { return false }
    return WinogradConvolution(shape).map(\.canUpdateWeights)
      ?? PhasedWinogradConvolution(shape).map(\.canUpdateWeights) ?? false
  }

  /// Computes the weights' gradient in blocks, each of which updates its weights while it is in cache, so the full
  /// gradient is never stored. It is bit-for-bit that of `backward`.
  ///
  /// - Parameters:
  ///   - shape: a shape for which `canUpdateWeights` holds.
  ///   - update: nil to compute the gradient only.
  /// - Returns: the gradient's sum of squares.
  public static func updateWeights(
    _ shape: ConvolutionShape, inputs: [UnsafePointer<Float>], outputGradient: UnsafePointer<Float>,
    by update: WeightUpdate?, pool: ThreadPool
  ) -> Double {
    if let winograd = WinogradConvolution(shape) {
      return winograd.updateWeights(inputs: inputs, outputGradient: outputGradient, by: update, pool: pool)
    }
    guard let phased = PhasedWinogradConvolution(shape) else {
      preconditionFailure("weights of \(shape) are not updated in blocks")
    }
    return phased.updateWeights(input: inputs[0], outputGradient: outputGradient, by: update, pool: pool)
  }

  /// An upper bound of the magnitudes of the weights' gradient and of all intermediate results: the product of both
  /// factors' largest magnitudes, summed over the pixels. Non-finite if an operand is.
  public static func weightGradientBound(
    _ shape: ConvolutionShape, inputs: [UnsafePointer<Float>], outputGradient: UnsafePointer<Float>,
    pool: ThreadPool
  ) -> Float {
    let inputPixels = shape.batch * shape.height * shape.width
    let input = zip(inputs, shape.inputChannels).map {
      Reduction.largestMagnitude($0, count: inputPixels * $1, pool: pool)
    }
    let output = Reduction.largestMagnitude(
      outputGradient, count: shape.outputPixels * shape.outputChannels, pool: pool)
    // A NaN propagates through the sum; Winograd's transforms amplify by factors of at most 100 and 225.
    return 22_500 * Float(shape.outputPixels) * input.reduce(0, +) * output
  }
}
