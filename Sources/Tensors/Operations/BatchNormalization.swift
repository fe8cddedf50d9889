import Kernels

extension Tensor {
  /// Batch normalisation of [B, ..., C] by the statistics of the batch, followed by `activation`.
  ///
  /// - Parameters:
  ///   - runningMean, runningVariance: [C]; the batch's mean and unbiased variance are written in place of their
  ///     gradients.
  public func batchNormalized(
    gamma: Tensor, beta: Tensor, runningMean: Tensor, runningVariance: Tensor,
    activation: BatchNormalization.Activation = .relu
  ) -> Tensor {
    let c = channels
    checkChannels(gamma, beta, runningMean, runningVariance)
    let norm = BatchNormalization(rows: count / c, channels: c, activation: activation)
    let output = tape.result(shape, of: [self, gamma, beta])
    let (mean, variance) = (tape.engine.storage(c), tape.engine.storage(c))
    norm.measure(pointer, mean: mean.pointer, variance: variance.pointer, pool: threads)
    norm.forward(
      pointer, mean: mean.pointer, variance: variance.pointer, gamma: gamma.pointer, beta: beta.pointer,
      output: output.pointer, pool: threads)

    if let found = tape.gradientMemory(runningMean.target, count: c) {
      found.update(from: mean.pointer, count: c)
    }
    if let found = tape.gradientMemory(runningVariance.target, count: c) {
      // A single row has no unbiased variance; its biased variance is 0.
      let correction = Float(norm.rows) / Float(max(norm.rows - 1, 1))
      for channel in 0..<c { found[channel] = correction * variance.pointer[channel] }
    }
    tape.record(output, work: Work(norm)) { [storage, target] tape, dy in
      let dx = tape.engine.storage(storage.count)
      norm.backward(
        storage.pointer, mean: mean.pointer, variance: variance.pointer, gamma: gamma.pointer,
        beta: beta.pointer, outputGradient: dy.pointer, inputGradient: dx.pointer,
        gammaGradient: tape.gradientMemory(gamma.target, count: c),
        betaGradient: tape.gradientMemory(beta.target, count: c), pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }

  /// Batch normalisation by given statistics, for a tape that does not record.
  public func batchNormalized(
    gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor,
    activation: BatchNormalization.Activation = .relu
  ) -> Tensor {
    precondition(!tape.isRecording, "given statistics are for evaluation: they have no backward pass")
    checkChannels(gamma, beta, mean, variance)
    let norm = BatchNormalization(rows: count / channels, channels: channels, activation: activation)
    let output = tape.result(shape, of: [self, gamma, beta, mean, variance])
    norm.forward(
      pointer, mean: mean.pointer, variance: variance.pointer, gamma: gamma.pointer, beta: beta.pointer,
      output: output.pointer, pool: threads)
    return output
  }

  private func checkChannels(_ tensors: Tensor...) {
    precondition(
      tensors.allSatisfy { $0.shape == [channels] },
      "\(shape) normalised with tensors of shapes \(tensors.map(\.shape))")
  }
}
