import Kernels

extension Tensor {
  /// max(x, 0).
  public func relu() -> Tensor {
    let output = tape.result(shape, of: [self])
    Elementwise.relu(pointer, output: output.pointer, count: count, pool: threads)
    tape.record(output) { [storage, target] tape, gradient in
      let dx = tape.engine.storage(storage.count)
      Elementwise.reluGradient(
        storage.pointer, outputGradient: gradient.pointer, inputGradient: dx.pointer, count: storage.count,
        pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }

  /// x sigmoid(x).
  public func silu() -> Tensor {
    let output = tape.result(shape, of: [self])
    Elementwise.silu(pointer, output: output.pointer, count: count, pool: threads)
    tape.record(output) { [storage, target] tape, gradient in
      let dx = tape.engine.storage(storage.count)
      Elementwise.siluGradient(
        storage.pointer, outputGradient: gradient.pointer, inputGradient: dx.pointer, count: storage.count,
        pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }

  /// x Φ(x), with the normal distribution function itself, as PyTorch's `GELU()`.
  public func gelu() -> Tensor {
    let output = tape.result(shape, of: [self])
    Elementwise.gelu(pointer, output: output.pointer, count: count, pool: threads)
    tape.record(output) { [storage, target] tape, gradient in
      let dx = tape.engine.storage(storage.count)
      Elementwise.geluGradient(
        storage.pointer, outputGradient: gradient.pointer, inputGradient: dx.pointer, count: storage.count,
        pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }
}
