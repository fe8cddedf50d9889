import Kernels

extension Tensor {
  /// The mean loss of predictions against a target of the same shape, a scalar.
  ///
  /// - Parameter sampleWeights: a weight for each of the B samples; nil weights all samples by 1.
  public func meanLoss(_ loss: PredictionLoss, target: Tensor, sampleWeights: [Float]? = nil) -> Tensor {
    precondition(
      shape == target.shape && sampleWeights.map { $0.count == batch } ?? true,
      "\(loss) of \(shape) against \(target.shape) with \(sampleWeights?.count ?? batch) weights")
    let (b, size) = (batch, count / batch)
    let output = tape.result([], of: [self, target])
    // Computed together with the loss, and scaled in the backward pass.
    let slopes = tape.engine.storage(count)
    output.pointer[0] = Float(
      loss(
        prediction: pointer, target: target.pointer, batch: b, size: size, sampleWeights: sampleWeights,
        gradient: slopes.pointer, pool: threads))
    tape.record(output) { [targets = (self.target, target.target)] tape, dy in
      func add(_ factor: Float, to target: GradientTarget) {
        guard target != .none else { return }
        let gradient = tape.engine.storage(slopes.count)
        Elementwise.scale(
          slopes.pointer, by: factor, output: gradient.pointer, count: slopes.count,
          pool: tape.engine.threads)
        tape.add(gradient, to: target)
      }
      add(dy.pointer[0], to: targets.0)
      add(-dy.pointer[0], to: targets.1)
    }
    return output
  }
}
