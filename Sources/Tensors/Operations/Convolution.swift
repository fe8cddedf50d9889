import Kernels

extension Tensor {
  /// A 2-D convolution of images [B, H, W, Ci], treated as if concatenated along the channels.
  ///
  /// - Parameters:
  ///   - weights: [R R, C, K], where C is the total number of input channels.
  ///   - bias: [K], or nil.
  ///   - padding: the number of zeros on each side.
  ///   - endPadding: the number of zeros after the last row and column, if it differs from `padding`.
  ///   - standardizesWeights: whether the weights are first normalised to mean 0 and variance 1 (Qiao et al., 2019).
  ///     The backward pass recomputes the standardised weights instead of keeping them, since they are as large as the
  ///     weights.
  /// - Returns: [B, P, Q, K].
  public static func convolution(
    _ inputs: [Tensor], weights: Tensor, bias: Tensor?, kernel: Int, stride: Int = 1, padding: Int = 0,
    endPadding: Int? = nil, standardizesWeights: Bool = false
  ) -> Tensor {
    let first = inputs[0]
    precondition(
      inputs.allSatisfy { $0.shape.count == 4 && $0.shape.dropLast() == first.shape.dropLast() },
      "inputs of a convolution differ: \(inputs.map(\.shape))")
    let shape = ConvolutionShape(
      batch: first.shape[0], height: first.shape[1], width: first.shape[2],
      inputChannels: inputs.map(\.channels),
      outputChannels: weights.channels, kernel: kernel, stride: stride, padding: padding,
      endPadding: endPadding, precision: first.tape.precision)
    precondition(
      weights.shape == [kernel * kernel, shape.channels, shape.outputChannels]
        && bias.map { $0.shape == [shape.outputChannels] } ?? true,
      "weights \(weights.shape) and bias \(bias?.shape ?? []) for \(shape)")
    let tape = first.tape
    let output = tape.result(
      [shape.batch, shape.outputHeight, shape.outputWidth, shape.outputChannels],
      of: inputs + [weights] + (bias.map { [$0] } ?? []))
    let standardization = standardizesWeights ? KeptStandardization(of: weights) : nil
    let used = standardization?.standardized(tape.engine) ?? weights.storage
    withExtendedLifetime(used) {
      Convolution.forward(
        shape, inputs: inputs.map { UnsafePointer($0.pointer) }, weights: used.pointer, bias: bias?.pointer,
        output: output.pointer, pool: first.threads)
    }

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
      let sum =
        standardization == nil
        ? tape.weightGradientSum(weights, shape, inputs: storages, outputGradient: dy)
        : tape.gradientSum(weights, count: weightStorage.count)
      let used = standardization?.standardized(tape.engine) ?? weightStorage
      // With standardisation, this is the gradient of the standardised weights, from which that of the weights follows.
      let between = standardization == nil ? nil : sum.map { _ in tape.engine.storage(used.count) }
      Convolution.backward(
        shape, inputs: storages.map { UnsafePointer($0.pointer) }, weights: used.pointer,
        outputGradient: dy.pointer, inputGradients: gradients.map { $0?.pointer },
        weightGradient: between.map { .overwriting($0.pointer) } ?? sum,
        biasGradient: tape.gradientMemory(bias, count: shape.outputChannels),
        pool: tape.engine.threads)
      withExtendedLifetime(used) {
        if let standardization, let between, let sum {
          standardization.addGradient(used, between, to: sum, tape.engine)
        }
      }
      for (gradient, target) in zip(gradients, targets) {
        if let gradient { tape.add(gradient, to: target) }
      }
    }
    return output
  }
}

extension Tape {
  /// Memory for the gradient of a convolution's weights; nil if they need none, or if it is deferred to the update.
  func weightGradientSum(
    _ weights: GradientTarget, _ shape: ConvolutionShape, inputs: [Storage], outputGradient: Storage
  ) -> GradientSum? {
    let count = shape.patchLength * shape.outputChannels
    guard defersGradient(of: weights) && Convolution.canUpdateWeights(shape) else {
      return gradientSum(weights, count: count)
    }
    let pointers = inputs.map { UnsafePointer($0.pointer) }
    // Weights and two moments, read and written.
    let cost = Profile.Cost(flops: shape.flops, bytes: 6 * count * MemoryLayout<Float>.size)
    let bound = Convolution.weightGradientBound(
      shape, inputs: pointers, outputGradient: outputGradient.pointer, pool: engine.threads)
    deferGradient(of: weights, count: count, cost: cost, bound: bound) { [threads = engine.threads] update in
      withExtendedLifetime(inputs) {
        Convolution.updateWeights(
          shape, inputs: pointers, outputGradient: outputGradient.pointer, by: update, pool: threads)
      }
    }
    return nil
  }
}

/// The state from which standardised weights [F, K] are recomputed: the weights, which exist anyway, and their
/// statistics.
private final class KeptStandardization {
  private let weights: Storage
  private let outputs: Int
  private let statistics: Storage
  private var areStatisticsKnown = false

  init(of weights: Tensor) {
    self.weights = weights.storage
    outputs = weights.channels
    statistics = weights.tape.engine.storage(2 * outputs)
  }

  func standardized(_ engine: Engine) -> Storage {
    let standardized = engine.storage(weights.count)
    if areStatisticsKnown {
      WeightStandardization.apply(
        statistics.pointer, to: weights.pointer, fanIn: weights.count / outputs, outputs: outputs,
        standardized: standardized.pointer, pool: engine.threads)
    } else {
      WeightStandardization.forward(
        weights.pointer, fanIn: weights.count / outputs, outputs: outputs,
        standardized: standardized.pointer, statistics: statistics.pointer, pool: engine.threads)
      areStatisticsKnown = true
    }
    return standardized
  }

  func addGradient(_ standardized: Storage, _ gradient: Storage, to sum: GradientSum, _ engine: Engine) {
    WeightStandardization.addGradient(
      standardized.pointer, statistics: statistics.pointer, standardizedGradient: gradient.pointer,
      fanIn: weights.count / outputs, outputs: outputs, gradient: sum, pool: engine.threads)
  }
}
