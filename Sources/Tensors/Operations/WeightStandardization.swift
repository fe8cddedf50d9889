import Kernels

extension Tensor {
  /// Weights [T, C, K] with mean 0 and variance 1 over the T C weights of each output channel.
  public func standardized() -> Tensor {
    precondition(shape.count == 3, "weights are [taps, inputs, outputs], not \(shape)")
    let (fanIn, k) = (shape[0] * shape[1], shape[2])
    let output = tape.result(shape, of: [self])
    let statistics = tape.engine.storage(2 * k)
    WeightStandardization.forward(
      pointer, fanIn: fanIn, outputs: k, standardized: output.pointer, statistics: statistics.pointer,
      pool: threads)
    tape.record(output) { [target, standardized = output.storage] tape, dy in
      guard let gradient = tape.gradientSum(target, count: fanIn * k) else { return }
      WeightStandardization.addGradient(
        standardized.pointer, statistics: statistics.pointer, standardizedGradient: dy.pointer, fanIn: fanIn,
        outputs: k, gradient: gradient, pool: tape.engine.threads)
    }
    return output
  }
}
