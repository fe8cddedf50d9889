import Kernels

extension Tensor {
  /// The norm of the gradient of a convolution's weights for these images [B, H, W, C], computed without recording
  /// anything.
  ///
  /// - Parameters:
  ///   - outputs: channels of the output, K.
  ///   - outputGradient: [B, P, Q, K].
  public func convolutionWeightGradientLength(
    outputs: Int, outputGradient: Storage, kernel: Int, stride: Int, padding: Int, endPadding: Int
  ) -> Double {
    let shape = ConvolutionShape(
      batch: self.shape[0], height: self.shape[1], width: self.shape[2], inputChannels: [channels],
      outputChannels: outputs, kernel: kernel, stride: stride, padding: padding, endPadding: endPadding)
    precondition(
      outputGradient.count == shape.outputPixels * outputs,
      "a gradient of \(outputGradient.count) for \(shape)")
    let gradient = tape.engine.storage(shape.patchLength * outputs)
    Convolution.backward(
      shape, inputs: [UnsafePointer(pointer)], weights: gradient.pointer,
      outputGradient: outputGradient.pointer,
      inputGradients: [nil], weightGradient: .overwriting(gradient.pointer), biasGradient: nil, pool: threads)
    return Reduction.sumOfSquares(gradient.pointer, count: gradient.count, pool: threads).squareRoot()
  }
}
