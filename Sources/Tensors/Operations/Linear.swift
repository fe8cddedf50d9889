import Kernels

extension Tensor {
  /// act(x W + bias) + residual, for x [..., C], W [1, C, K], bias [K] -> [..., K].
  ///
  /// - Parameter bias: nil for none.
  public func linear(
    weights: Tensor, bias: Tensor? = nil, activation: LinearTransform.Activation = .none,
    residual: Tensor? = nil
  ) -> Tensor {
    let (c, k) = (channels, weights.channels)
    precondition(
      shape.count >= 2 && weights.shape == [1, c, k]
        && bias.map { $0.shape == [k] } ?? true
        && residual.map { $0.shape == shape.dropLast() + [k] } ?? true,
      "\(shape) times \(weights.shape) plus \(bias?.shape ?? []) plus \(residual?.shape ?? [])")
    let transform = LinearTransform(
      rows: count / c, inputs: c, outputs: k, activation: activation, precision: tape.precision)
    let output = tape.result(
      shape.dropLast() + [k], of: [self, weights] + [bias, residual].compactMap { $0 })
    let isKept = tape.keepsStep(of: output) && activation != .none
    let activationInput = isKept ? tape.engine.storage(output.count) : nil
    transform.forward(
      pointer, weights: weights.pointer, bias: bias?.pointer, residual: residual?.pointer,
      activationInput: activationInput?.pointer, output: output.pointer, pool: threads)
    tape.record(
      output,
      work: Work(
        MatrixProductShape(rows: count / c, inner: c, columns: k), gradients: needsGradient,
        weights.needsGradient)
    ) { [storage, target, residual = residual?.target ?? .none] tape, dy in
      tape.add(dy, to: residual)
      let dx = target == .none ? nil : tape.engine.storage(storage.count)
      transform.backward(
        storage.pointer, weights: weights.pointer, activationInput: activationInput?.pointer,
        outputGradient: dy.pointer, inputGradient: dx?.pointer,
        weightGradient: tape.gradientSum(weights.target, count: c * k),
        biasGradient: bias.flatMap { tape.gradientMemory($0.target, count: k) }, pool: tape.engine.threads)
      if let dx { tape.add(dx, to: target) }
    }
    return output
  }
}
