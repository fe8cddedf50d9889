import Kernels

extension Tensor {
  /// Group normalisation of [B, ..., C], an optional scale and shift [B, 2 C] (scales, then shifts), an activation.
  public func groupNormalized(
    groups: Int, gamma: Tensor, beta: Tensor, scaleShift: Tensor? = nil,
    activation: GroupNormalization.Activation = .none
  ) -> Tensor {
    let (b, c) = (batch, channels)
    precondition(
      gamma.shape == [c] && beta.shape == [c] && scaleShift.map { $0.shape == [b, 2 * c] } ?? true,
      "\(shape) with gamma \(gamma.shape), beta \(beta.shape), scale and shift \(scaleShift?.shape ?? [])")
    let norm = GroupNormalization(
      batch: b, pixels: pixels, channels: c, groups: groups, activation: activation)
    let output = tape.result(shape, of: [self, gamma, beta] + (scaleShift.map { [$0] } ?? []))
    let statistics = tape.engine.storage(b * groups * 2)
    norm.forward(
      pointer, gamma: gamma.pointer, beta: beta.pointer, scaleShift: scaleShift?.pointer,
      output: output.pointer,
      statistics: statistics.pointer, pool: threads)

    let scales = scaleShift.map { (storage: $0.storage, target: $0.target) }
    tape.record(output, work: Work(norm)) { [storage, target] tape, dy in
      let dx = tape.engine.storage(storage.count)
      let scaleShiftGradient = scales.map { tape.engine.storage($0.storage.count) }
      norm.backward(
        storage.pointer, gamma: gamma.pointer, beta: beta.pointer, scaleShift: scales?.storage.pointer,
        statistics: statistics.pointer, outputGradient: dy.pointer, inputGradient: dx.pointer,
        scaleShiftGradient: scaleShiftGradient?.pointer,
        gammaGradient: tape.gradientMemory(gamma.target, count: c),
        betaGradient: tape.gradientMemory(beta.target, count: c), pool: tape.engine.threads)
      tape.add(dx, to: target)
      if let scales, let scaleShiftGradient { tape.add(scaleShiftGradient, to: scales.target) }
    }
    return output
  }
}
