import Kernels

extension Tensor {
  /// Rows of a table [R, D], one for each of B indices: -> [B, D]. Where there is no index, zeros.
  public func rows(_ indices: [Int?]) -> Tensor {
    precondition(shape.count == 2, "a table has two dimensions, not \(shape)")
    let (rows, width) = (shape[0], shape[1])
    precondition(
      indices.allSatisfy { $0.map { (0..<rows).contains($0) } ?? true },
      "rows \(indices) of a table of \(rows)")
    let output = tape.result([indices.count, width], of: [self])
    for (place, row) in indices.enumerated() {
      let target = output.pointer + place * width
      if let row {
        target.update(from: pointer + row * width, count: width)
      } else {
        target.update(repeating: 0, count: width)
      }
    }
    tape.record(output) { [target, count] tape, dy in
      guard let sum = tape.gradientMemory(target, count: count) else { return }
      // A row that was taken several times gets the sum, in the order of the batch.
      for (place, row) in indices.enumerated() {
        guard let row else { continue }
        Elementwise.add(
          sum + row * width, dy.pointer + place * width, output: sum + row * width, count: width,
          pool: tape.engine.threads)
      }
    }
    return output
  }
}
