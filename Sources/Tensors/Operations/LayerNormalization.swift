import Kernels

extension Tensor {
  /// Layer normalisation of each pixel or token of [B, ..., C] over its channels.
  ///
  /// - Parameters:
  ///   - gamma, beta: [C], both or neither.
  ///   - modulation: C columns of [B, M] each; the normalised values are multiplied by 1 + scale, and the shift is
  ///     added.
  public func layerNormalized(
    gamma: Tensor? = nil, beta: Tensor? = nil, modulation: (shift: ColumnSlice, scale: ColumnSlice)? = nil,
    epsilon: Float
  ) -> Tensor {
    let (b, c) = (batch, channels)
    precondition(
      [gamma, beta].allSatisfy { $0.map { $0.shape == [c] } ?? true }
        && (gamma == nil) == (beta == nil),
      "\(shape) with gamma \(gamma?.shape ?? []) and beta \(beta?.shape ?? [])")
    if let (shift, scale) = modulation {
      precondition(
        [shift, scale].allSatisfy { $0.count == c && $0.matrix.batch == b } && shift.stride == scale.stride,
        "\(shape) with \(shift.count) and \(scale.count) columns of \(shift.matrix.shape), \(scale.matrix.shape)"
      )
    }
    let norm = LayerNormalization(batch: b, tokens: pixels, channels: c, epsilon: epsilon)
    let conditions = [gamma, beta, modulation?.shift.matrix, modulation?.scale.matrix].compactMap { $0 }
    let output = tape.result(shape, of: [self] + conditions)
    let statistics = tape.engine.storage(b * pixels * 2)
    let values = modulation.map { shift, scale in
      LayerNormalization.Modulation(
        scale: UnsafePointer(scale.pointer), shift: UnsafePointer(shift.pointer), stride: scale.stride)
    }
    norm.forward(
      pointer, gamma: gamma?.pointer, beta: beta?.pointer, modulation: values, output: output.pointer,
      statistics: statistics.pointer, pool: threads)

    tape.record(output, work: Work(norm)) { [storage, target] tape, dy in
      let others = tape.takeGradient(of: target)
      let dx = tape.engine.storage(storage.count)
      norm.backward(
        storage.pointer, gamma: gamma?.pointer, beta: beta?.pointer, modulation: values,
        statistics: statistics.pointer, outputGradient: dy.pointer, addend: others?.pointer,
        inputGradient: dx.pointer,
        gammaGradient: gamma.flatMap { tape.gradientMemory($0.target, count: c) },
        betaGradient: beta.flatMap { tape.gradientMemory($0.target, count: c) },
        scaleGradient: modulation.flatMap { $0.scale.gradientMemory(tape) },
        shiftGradient: modulation.flatMap { $0.shift.gradientMemory(tape) }, pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }
}
