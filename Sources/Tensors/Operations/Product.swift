import Kernels

extension Tensor {
  /// The elementwise product of two tensors of the same shape.
  public static func * (a: Tensor, b: Tensor) -> Tensor {
    precondition(a.shape == b.shape, "\(a.shape) * \(b.shape)")
    let output = a.tape.result(a.shape, of: [a, b])
    Elementwise.multiply(a.pointer, b.pointer, output: output.pointer, count: a.count, pool: a.threads)
    a.tape.record(output) {
      [factors = (a.storage, b.storage), targets = (a.target, b.target)] tape, dy in
      func add(_ other: Storage, to target: GradientTarget) {
        guard target != .none else { return }
        let gradient = tape.engine.storage(dy.count)
        Elementwise.multiply(
          dy.pointer, other.pointer, output: gradient.pointer, count: dy.count, pool: tape.engine.threads)
        tape.add(gradient, to: target)
      }
      add(factors.1, to: targets.0)
      add(factors.0, to: targets.1)
    }
    return output
  }

  /// x s, for a scalar tensor s.
  public func scaled(by scalar: Tensor) -> Tensor {
    precondition(scalar.isScalar, "\(shape) scaled by \(scalar.shape)")
    let output = tape.result(shape, of: [self, scalar])
    Elementwise.scale(
      pointer, by: scalar.pointer[0], output: output.pointer, count: count, pool: threads)
    tape.record(output) {
      [storage, target, scalar = scalar.storage, scalarTarget = scalar.target] tape, dy in
      if let sum = tape.gradientMemory(scalarTarget, count: 1) {
        sum[0] += Float(
          Reduction.sum(dy.pointer, times: storage.pointer, count: dy.count, pool: tape.engine.threads))
      }
      guard target != .none else { return }
      let dx = tape.engine.storage(dy.count)
      Elementwise.scale(
        dy.pointer, by: scalar.pointer[0], output: dx.pointer, count: dy.count, pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }

  /// factor x + constant.
  public func scaled(by factor: Float, adding constant: Float = 0) -> Tensor {
    let output = tape.result(shape, of: [self])
    Elementwise.scale(
      pointer, by: factor, adding: constant, output: output.pointer, count: count, pool: threads)
    tape.record(output) { [target] tape, dy in
      let dx = tape.engine.storage(dy.count)
      Elementwise.scale(
        dy.pointer, by: factor, output: dx.pointer, count: dy.count, pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }
}
