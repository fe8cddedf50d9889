import Kernels

extension Tensor {
  /// The Kronecker product of this tensor [1, C1, K1] and weights [taps, C2, K2] -> [taps, C1 C2, K1 K2].
  public func kroneckerProduct(with other: Tensor) -> Tensor {
    precondition(
      shape.count == 3 && shape[0] == 1 && other.shape.count == 3, "\(shape) with \(other.shape)")
    let product = KroneckerProduct(
      taps: other.shape[0], firstInputs: shape[1], firstOutputs: shape[2], secondInputs: other.shape[1],
      secondOutputs: other.shape[2])
    let output = tape.result([product.taps, product.inputs, product.outputs], of: [self, other])
    product.forward(pointer, other.pointer, output: output.pointer, pool: threads)
    tape.record(output) {
      [first = storage, second = other.storage, targets = (target, other.target)] tape, dy in
      let pool = tape.engine.threads
      if let sum = tape.gradientMemory(targets.0, count: first.count) {
        product.addFirstGradient(second.pointer, outputGradient: dy.pointer, to: sum, pool: pool)
      }
      if let sum = tape.gradientMemory(targets.1, count: second.count) {
        product.addSecondGradient(first.pointer, outputGradient: dy.pointer, to: sum, pool: pool)
      }
    }
    return output
  }
}
