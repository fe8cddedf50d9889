import Kernels

extension Tensor {
  /// Gathers rows of a table [R, D], one for each of B indices -> [B, D]; a nil index gives zeros. The gradients of a
  /// row that occurs several times accumulate in the order of the indices.
  public func rows(_ indices: [Int?]) -> Tensor {
    precondition(shape.count == 2, "a table has two dimensions, not \(shape)")
    let (rows, width) = (shape[0], shape[1])
    precondition(
      indices.allSatisfy { $0.map { (0..<rows).contains($0) } ?? true },
      "rows \(indices) of a table of \(rows)")
    let output = tape.result([indices.count, width], of: [self])
    TableRows.gather(pointer, width: width, indices: indices, output: output.pointer, pool: threads)
    tape.record(output) { [target, count] tape, dy in
      guard let sum = tape.gradientMemory(target, count: count) else { return }
      TableRows.addGradient(
        dy.pointer, width: width, indices: indices, to: sum, pool: tape.engine.threads)
    }
    return output
  }
}
