import Kernels

extension Tensor {
  /// The dot products of each row of this tensor [M, C] with each row of another [N, C] -> [M, N].
  public func timesTranspose(of other: Tensor) -> Tensor {
    precondition(
      shape.count == 2 && other.shape.count == 2 && channels == other.channels,
      "\(shape) times the transpose of \(other.shape)")
    let product = TransposedProduct(leftRows: batch, rightRows: other.batch, columns: channels)
    let output = tape.result([batch, other.batch], of: [self, other])
    product.forward(pointer, other.pointer, output: output.pointer, pool: threads)
    tape.record(
      output,
      work: Work(
        MatrixProductShape(rows: batch, inner: channels, columns: other.batch), gradients: needsGradient,
        other.needsGradient)
    ) { [a = storage, b = other.storage, targets = (target, other.target)] tape, dy in
      let da = targets.0 == .none ? nil : tape.engine.storage(a.count)
      let db = targets.1 == .none ? nil : tape.engine.storage(b.count)
      product.backward(
        a.pointer, b.pointer, outputGradient: dy.pointer, leftGradient: da?.pointer,
        rightGradient: db?.pointer, pool: tape.engine.threads)
      if let da { tape.add(da, to: targets.0) }
      if let db { tape.add(db, to: targets.1) }
    }
    return output
  }
}
