import Kernels

extension Tensor {
  /// Multi-head self-attention over the pixels of [B, ..., C], including its projections.
  ///
  /// - Parameters:
  ///   - qkvWeights: [1, C, 3 H D]; queries, keys, values.
  ///   - outputWeights: [1, H D, C].
  ///   - outputBias: [C].
  public func selfAttention(
    _ kind: SelfAttention.Kind, heads: Int, headWidth: Int, qkvWeights: Tensor, outputWeights: Tensor,
    outputBias: Tensor
  ) -> Tensor {
    let c = channels
    let hidden = heads * headWidth
    precondition(
      qkvWeights.shape == [1, c, 3 * hidden] && outputWeights.shape == [1, hidden, c]
        && outputBias.shape == [c],
      "\(shape) with \(qkvWeights.shape), \(outputWeights.shape), \(outputBias.shape)")
    let attention = SelfAttention(
      kind: kind, batch: batch, tokens: pixels, channels: c, heads: heads, headWidth: headWidth,
      precision: tape.precision)
    let output = tape.result(shape, of: [self, qkvWeights, outputWeights, outputBias])
    attention.forward(
      pointer, qkvWeights: qkvWeights.pointer, outputWeights: outputWeights.pointer, bias: outputBias.pointer,
      output: output.pointer, pool: threads)
    tape.record(output, work: Work(attention, gradients: needsGradient, qkvWeights.needsGradient)) {
      [storage, target] tape, dy in
      let dx = tape.engine.storage(storage.count)
      attention.backward(
        storage.pointer, qkvWeights: qkvWeights.pointer, outputWeights: outputWeights.pointer,
        outputGradient: dy.pointer, inputGradient: dx.pointer,
        qkvGradient: tape.gradientSum(qkvWeights.target, count: qkvWeights.count),
        outputWeightGradient: tape.gradientSum(outputWeights.target, count: outputWeights.count),
        biasGradient: tape.gradientMemory(outputBias.target, count: c), pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }
}
