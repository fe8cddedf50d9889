import Kernels

extension Tensor {
  /// e^x, with x clamped to [-87.3, 88.3].
  public func exponential() -> Tensor {
    let output = tape.result(shape, of: [self])
    Elementwise.exponential(pointer, output: output.pointer, count: count, pool: threads)
    tape.record(output) { [target, output = output.storage] tape, dy in
      let dx = tape.engine.storage(dy.count)
      Elementwise.multiply(
        dy.pointer, output.pointer, output: dx.pointer, count: dy.count, pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }
}
