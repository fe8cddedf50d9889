import Kernels

extension Tensor {
  /// The mean over an image's pixels or tokens: [B, ..., C] -> [B, C].
  public func meanOverTokens() -> Tensor {
    let (b, n, c) = (batch, pixels, channels)
    let output = tape.result([b, c], of: [self])
    output.elements.update(repeating: 0)
    BroadcastAdd.addGradient(
      pointer, stride: c, batch: b, pixels: n, channels: c, gradient: output.pointer, pool: threads)
    Elementwise.scale(
      output.pointer, by: 1 / Float(n), output: output.pointer, count: b * c, pool: threads)
    tape.record(output) { [target] tape, dy in
      let dx = tape.engine.storage(b * n * c)
      let rows = tape.engine.storage(b * c)
      Elementwise.scale(
        dy.pointer, by: 1 / Float(n), output: rows.pointer, count: b * c, pool: tape.engine.threads)
      RowCopy.repeatRows(
        rows.pointer, rows: b, width: c, times: n, to: dx.pointer, pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }

  /// The sum of all elements, in double precision: a scalar.
  public func sum() -> Tensor { total(times: 1) }

  /// The mean of all elements, in double precision: a scalar.
  public func mean() -> Tensor { total(times: 1 / Double(count)) }

  private func total(times factor: Double) -> Tensor {
    let output = tape.result([], of: [self])
    output.pointer[0] = Float(factor * Reduction.sum(pointer, count: count, pool: threads))
    tape.record(output) { [target, count] tape, dy in
      let dx = tape.engine.storage(count)
      dx.elements.update(repeating: Float(factor * Double(dy.pointer[0])))
      tape.add(dx, to: target)
    }
    return output
  }
}
