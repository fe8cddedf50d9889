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
    transform.withPacking(tape.engine, isUsed: true) { packing in
      transform.forward(
        pointer, weights: weights.pointer, bias: bias?.pointer, residual: residual?.pointer,
        activationInput: activationInput?.pointer, output: output.pointer, packing: packing, pool: threads)
    }
    tape.record(
      output,
      work: Work(transform, gradients: needsGradient, weights.needsGradient)
    ) { [storage, target, residual = residual?.target ?? .none] tape, dy in
      tape.add(dy, to: residual)
      let dx = target == .none ? nil : tape.engine.storage(storage.count)
      transform.withPacking(tape.engine, isUsed: dx != nil) { packing in
        transform.backward(
          storage.pointer, weights: weights.pointer, activationInput: activationInput?.pointer,
          outputGradient: dy.pointer, inputGradient: dx?.pointer,
          weightGradient: tape.gradientSum(weights.target, count: c * k),
          biasGradient: bias.flatMap { tape.gradientMemory($0.target, count: k) }, packing: packing,
          pool: tape.engine.threads)
      }
      if let dx { tape.add(dx, to: target) }
    }
    return output
  }
}

extension LinearTransform {
  /// Calls `body` with memory in which tasks share packed weights, if those are used and sharing them is faster.
  fileprivate func withPacking(
    _ engine: Engine, isUsed: Bool, _ body: (UnsafeMutablePointer<Float>?) -> Void
  ) {
    guard isUsed && packedWeightCount > 0 else { return body(nil) }
    let memory = engine.storage(packedWeightCount)
    withExtendedLifetime(memory) { body(memory.pointer) }
  }
}
