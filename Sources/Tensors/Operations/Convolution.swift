import Kernels

extension Tensor {
  /// A 2-D convolution of images [B, H, W, Ci], read as if they were concatenated along the channels.
  ///
  /// - Parameters:
  ///   - weights: [R R, C, K], C the channels of all inputs.
  ///   - bias: [K].
  /// - Returns: [B, P, Q, K].
  public static func convolution(
    _ inputs: [Tensor], weights: Tensor, bias: Tensor?, kernel: Int, stride: Int = 1, padding: Int = 0
  ) -> Tensor {
    let first = inputs[0]
    precondition(
      inputs.allSatisfy { $0.shape.count == 4 && $0.shape.dropLast() == first.shape.dropLast() },
      "inputs of a convolution differ: \(inputs.map(\.shape))")
    let shape = ConvolutionShape(
      batch: first.shape[0], height: first.shape[1], width: first.shape[2],
      inputChannels: inputs.map(\.channels),
      outputChannels: weights.channels, kernel: kernel, stride: stride, padding: padding)
    precondition(
      weights.shape == [kernel * kernel, shape.channels, shape.outputChannels]
        && bias.map { $0.shape == [shape.outputChannels] } ?? true,
      "weights \(weights.shape) and bias \(bias?.shape ?? []) for \(shape)")
    let tape = first.tape
    let output = tape.result(
      [shape.batch, shape.outputHeight, shape.outputWidth, shape.outputChannels],
      of: inputs + [weights] + (bias.map { [$0] } ?? []))
    Convolution.forward(
      shape, inputs: inputs.map { UnsafePointer($0.pointer) }, weights: weights.pointer, bias: bias?.pointer,
      output: output.pointer, pool: first.threads)

    let storages = inputs.map(\.storage)
    let targets = inputs.map(\.target)
    tape.record(
      output,
      work: Work(shape, gradients: inputs.contains { $0.needsGradient }, weights.needsGradient)
    ) {
      [weightStorage = weights.storage, weights = weights.target, bias = bias?.target ?? .none] tape, dy in
      let gradients = zip(storages, targets).map { storage, target in
        target == .none ? nil : tape.engine.storage(storage.count)
      }
      Convolution.backward(
        shape, inputs: storages.map { UnsafePointer($0.pointer) }, weights: weightStorage.pointer,
        outputGradient: dy.pointer, inputGradients: gradients.map { $0?.pointer },
        weightGradient: tape.gradientSum(weights, count: weightStorage.count),
        biasGradient: tape.gradientMemory(bias, count: shape.outputChannels),
        pool: tape.engine.threads)
      for (gradient, target) in zip(gradients, targets) {
        if let gradient { tape.add(gradient, to: target) }
      }
    }
    return output
  }
}
