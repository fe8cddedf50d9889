import Kernels

extension Tensor {
  /// Group normalisation of [B, ..., C], followed by an optional scale and shift [B, 2 C] (scales, then shifts), an
  /// activation, and the addition of an optional `residual`.
  public func groupNormalized(
    groups: Int, gamma: Tensor, beta: Tensor, scaleShift: Tensor? = nil,
    epsilon: Float = 1e-5, activation: GroupNormalization.Activation = .none, residual: Tensor? = nil
  ) -> Tensor {
    let (b, c) = (batch, channels)
    precondition(
      gamma.shape == [c] && beta.shape == [c] && scaleShift.map { $0.shape == [b, 2 * c] } ?? true
        && residual.map { $0.shape == shape } ?? true,
      """
      \(shape) with gamma \(gamma.shape), beta \(beta.shape), scale and shift \(scaleShift?.shape ?? []), \
      residual \(residual?.shape ?? [])
      """)
    let norm = GroupNormalization(
      batch: b, pixels: pixels, channels: c, groups: groups, epsilon: epsilon, activation: activation)
    let output = tape.result(shape, of: [self, gamma, beta] + [scaleShift, residual].compactMap { $0 })
    let statistics = tape.engine.storage(b * groups * 2)
    norm.forward(
      pointer, gamma: gamma.pointer, beta: beta.pointer, scaleShift: scaleShift?.pointer,
      residual: residual?.pointer, output: output.pointer, statistics: statistics.pointer, pool: threads)

    let scales = scaleShift.map { (storage: $0.storage, target: $0.target) }
    tape.record(output, work: Work(norm)) {
      [storage, target, residual = residual?.target ?? .none] tape, dy in
      tape.add(dy, to: residual)
      let others = tape.takeGradient(of: target)
      let dx = tape.engine.storage(storage.count)
      let scaleShiftGradient = scales.map { tape.engine.storage($0.storage.count) }
      norm.backward(
        storage.pointer, gamma: gamma.pointer, beta: beta.pointer, scaleShift: scales?.storage.pointer,
        statistics: statistics.pointer, outputGradient: dy.pointer, addend: others?.pointer,
        inputGradient: dx.pointer,
        scaleShiftGradient: scaleShiftGradient?.pointer,
        gammaGradient: tape.gradientMemory(gamma.target, count: c),
        betaGradient: tape.gradientMemory(beta.target, count: c), pool: tape.engine.threads)
      tape.add(dx, to: target)
      if let scales, let scaleShiftGradient { tape.add(scaleShiftGradient, to: scales.target) }
    }
    return output
  }
}
