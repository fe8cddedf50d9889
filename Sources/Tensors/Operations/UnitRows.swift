import Kernels

extension Tensor {
  /// Each row of [..., C] divided by its Euclidean norm: x / (|x| + epsilon).
  public func normalizedToUnitLength(epsilon: Float = 0) -> Tensor {
    let (rows, c) = (count / channels, channels)
    let output = tape.result(shape, of: [self])
    let lengths = tape.engine.storage(rows)
    UnitRows.forward(
      pointer, rows: rows, columns: c, epsilon: epsilon, output: output.pointer, lengths: lengths.pointer,
      pool: threads)
    tape.record(output) { [target, output = output.storage] tape, dy in
      let dx = tape.engine.storage(dy.count)
      UnitRows.backward(
        output.pointer, lengths: lengths.pointer, outputGradient: dy.pointer, rows: rows, columns: c,
        epsilon: epsilon, inputGradient: dx.pointer, pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }
}
