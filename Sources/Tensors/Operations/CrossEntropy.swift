import Kernels

extension Tensor {
  /// The mean over the rows of [R, K] of -ln softmax(row)[label], a scalar: PyTorch's `cross_entropy`.
  ///
  /// - Parameter labels: R class indices from 0 to K - 1.
  public func crossEntropy(labels: [Int]) -> Tensor {
    let k = channels
    precondition(
      shape == [labels.count, k] && labels.allSatisfy { (0..<k).contains($0) },
      "\(labels.count) labels from \(labels.min() ?? 0) to \(labels.max() ?? 0) for \(shape)")
    let output = tape.result([], of: [self])
    let probabilities = tape.engine.storage(count)
    output.pointer[0] = Float(
      SoftmaxCrossEntropy.forward(
        pointer, columns: k, labels: labels, probabilities: probabilities.pointer, pool: threads))
    tape.record(output) { [target] tape, dy in
      let dx = tape.engine.storage(probabilities.count)
      SoftmaxCrossEntropy.backward(
        probabilities.pointer, columns: k, labels: labels, scale: dy.pointer[0], inputGradient: dx.pointer,
        pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }
}
