import Kernels

extension Tensor {
  /// A 2-D transposed convolution of images [B, H, W, C].
  ///
  /// - Parameters:
  ///   - weights: [R R, K, C].
  ///   - bias: [K].
  /// - Returns: [B, P, Q, K], P = (H - 1) stride - 2 padding + kernel.
  public func transposedConvolution(
    weights: Tensor, bias: Tensor, kernel: Int, stride: Int, padding: Int
  ) -> Tensor {
    precondition(
      shape.count == 4 && weights.shape == [kernel * kernel, bias.count, channels] && bias.shape.count == 1,
      "\(shape) with weights \(weights.shape) and bias \(bias.shape), kernel \(kernel)")
    let adjoint = TransposedConvolution.shape(
      batch: batch, height: shape[1], width: shape[2], inputChannels: channels, outputChannels: bias.count,
      kernel: kernel, stride: stride, padding: padding, precision: tape.precision)
    let output = tape.result([batch, adjoint.height, adjoint.width, bias.count], of: [self, weights, bias])
    TransposedConvolution.forward(
      adjoint, pointer, weights: weights.pointer, bias: bias.pointer, output: output.pointer, pool: threads)
    tape.record(
      output,
      work: Work(
        TransposedConvolutionShape(adjoint: adjoint), gradients: needsGradient, weights.needsGradient)
    ) {
      [storage, target, weightStorage = weights.storage, weights = weights.target, bias = bias.target]
      tape, dy in
      let dx = target == .none ? nil : tape.engine.storage(storage.count)
      // In the adjoint, input and output swap roles.
      let sum = tape.weightGradientSum(weights, adjoint, inputs: [dy], outputGradient: storage)
      TransposedConvolution.backward(
        adjoint, storage.pointer, weights: weightStorage.pointer, outputGradient: dy.pointer,
        inputGradient: dx?.pointer, weightGradient: sum,
        biasGradient: tape.gradientMemory(bias, count: adjoint.channels), pool: tape.engine.threads)
      if let dx { tape.add(dx, to: target) }
    }
    return output
  }
}
