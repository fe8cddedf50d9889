import Kernels

extension Tensor {
  /// x W + bias, for x [B, C], W [1, C, K], bias [K].
  public func linear(weights: Tensor, bias: Tensor) -> Tensor {
    let (b, c, k) = (batch, channels, weights.channels)
    precondition(
      shape.count == 2 && weights.shape == [1, c, k] && bias.shape == [k],
      "\(shape) times \(weights.shape) plus \(bias.shape)")
    let output = tape.result([b, k], of: [self, weights, bias])
    for row in 0..<b { (output.pointer + row * k).update(from: bias.pointer, count: k) }
    MatrixProduct.compute(
      Matrix(pointer, rows: b, columns: c), Matrix(weights.pointer, rows: c, columns: k),
      into: output.pointer,
      accumulating: true)
    tape.record(
      output,
      work: Work(
        MatrixProductShape(rows: b, inner: c, columns: k), gradients: needsGradient, weights.needsGradient)
    ) {
      [storage, target, weightStorage = weights.storage, weights = weights.target, bias = bias.target]
      tape, dy in
      let gradient = Matrix(dy.pointer, rows: b, columns: k)
      let x = Matrix(storage.pointer, rows: b, columns: c)
      if let sum = tape.gradientMemory(weights, count: c * k) {
        MatrixProduct.compute(x.transposed, gradient, into: sum, accumulating: true)
      }
      if let sum = tape.gradientMemory(bias, count: k) {
        Reduction.addColumnSums(dy.pointer, rows: b, columns: k, to: sum, pool: tape.engine.threads)
      }
      guard target != .none else { return }
      let dx = tape.engine.storage(b * c)
      MatrixProduct.compute(
        gradient, Matrix(weightStorage.pointer, rows: c, columns: k).transposed, into: dx.pointer)
      tape.add(dx, to: target)
    }
    return output
  }
}
