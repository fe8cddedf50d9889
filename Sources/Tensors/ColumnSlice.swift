/// A view of consecutive columns of a matrix [B, M]: values are read and gradients accumulated in place.
public struct ColumnSlice {
  let matrix: Tensor
  let first: Int
  let count: Int

  var pointer: UnsafeMutablePointer<Float> { matrix.pointer + first }
  /// Floats from one row to the next.
  var stride: Int { matrix.channels }

  /// Memory in which to accumulate the columns' gradients, with the matrix's stride; nil if the matrix needs none.
  func gradientMemory(_ tape: Tape) -> UnsafeMutablePointer<Float>? {
    tape.gradientMemory(matrix.target, count: matrix.count).map { $0 + first }
  }
}

extension Tensor {
  /// Splits the columns of [B, M] into `count` slices of equal width, like PyTorch's `chunk(count, dim=1)`.
  public func columnSlices(_ count: Int) -> [ColumnSlice] {
    precondition(
      shape.count == 2 && count > 0 && channels % count == 0,
      "\(shape) has no \(count) slices of equal width")
    let width = channels / count
    return (0..<count).map { ColumnSlice(matrix: self, first: $0 * width, count: width) }
  }
}
