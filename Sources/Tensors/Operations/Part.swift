import Kernels

extension Tensor {
  /// The slice with indices in `range` along `axis`, such as some channels of images or some tokens of [B, N, C].
  public func part(_ range: Range<Int>, axis: Int) -> Tensor {
    precondition(
      shape.indices.contains(axis) && range.lowerBound >= 0 && range.upperBound <= shape[axis]
        && !range.isEmpty, "\(range) along axis \(axis) of \(shape)")
    var partShape = shape
    partShape[axis] = range.count
    let output = tape.result(partShape, of: [self])
    let rows = shape[..<axis].reduce(1, *)
    let inner = shape[(axis + 1)...].reduce(1, *)
    let (stride, width, place) = (count / rows, range.count * inner, range.lowerBound * inner)
    RowCopy.copy(
      pointer + place, stride: stride, to: output.pointer, targetStride: width, rows: rows, width: width,
      pool: threads)
    tape.record(output) { [count, target] tape, dy in
      guard let sum = tape.gradientMemory(target, count: count) else { return }
      RowCopy.add(
        dy.pointer, stride: width, to: sum + place, targetStride: stride, rows: rows, width: width,
        pool: tape.engine.threads)
    }
    return output
  }
}
