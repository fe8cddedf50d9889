import COpenBLAS
import Kernels

/// A float64 matrix, row-major, in its own memory; aligned, because OpenBLAS's results may depend on alignment.
final class DoubleMatrix {
  let rows: Int
  let columns: Int
  /// [rows, columns].
  let elements: UnsafeMutablePointer<Double>

  /// - Parameter isCleared: whether all elements are zero; otherwise they are uninitialised.
  init(rows: Int, columns: Int, isCleared: Bool = false) {
    precondition(rows >= 0 && columns >= 0, "a matrix of \(rows) x \(columns)")
    self.rows = rows
    self.columns = columns
    let count = max(rows * columns, 1)
    let raw = UnsafeMutableRawPointer.allocate(
      byteCount: count * MemoryLayout<Double>.stride, alignment: FloatMemory.alignment)
    elements = raw.bindMemory(to: Double.self, capacity: count)
    if isCleared { elements.initialize(repeating: 0, count: count) }
  }

  deinit { elements.deallocate() }

  var count: Int { rows * columns }

  func row(_ index: Int) -> UnsafeMutablePointer<Double> { elements + index * columns }

  subscript(row: Int, column: Int) -> Double {
    get { elements[row * columns + column] }
    set { elements[row * columns + column] = newValue }
  }

  func copy() -> DoubleMatrix {
    let result = DoubleMatrix(rows: rows, columns: columns)
    result.elements.update(from: elements, count: count)
    return result
  }
}

/// Part of a matrix of float64: element (r, c) is at `r * stride + c`.
struct DoubleBlock {
  let elements: UnsafePointer<Double>
  let rows: Int
  let columns: Int
  let stride: Int

  init(_ matrix: DoubleMatrix, rows: Range<Int>, columns: Range<Int>? = nil) {
    let columns = columns ?? 0..<matrix.columns
    elements = UnsafePointer(matrix.elements + rows.lowerBound * matrix.columns + columns.lowerBound)
    self.rows = rows.count
    self.columns = columns.count
    stride = matrix.columns
  }
}

/// Products of float64 matrices by OpenBLAS, on the calling thread: `ThreadPool` limits OpenBLAS to one thread.
enum DoubleProduct {
  /// `output` [left.rows, right.rows] = left · rightᵀ.
  static func timesTransposed(
    _ left: DoubleBlock, _ right: DoubleBlock, into output: UnsafeMutablePointer<Double>, stride: Int
  ) {
    precondition(left.columns == right.columns, "\(left.columns) columns against \(right.columns)")
    cblas_dgemm(
      CblasRowMajor, CblasNoTrans, CblasTrans, blasint(left.rows), blasint(right.rows), blasint(left.columns),
      1,
      left.elements, blasint(left.stride), right.elements, blasint(right.stride), 0, output, blasint(stride))
  }

  /// `output` [left.columns, right.columns] = `scale` · leftᵀ · right, added to `output` if `accumulating`.
  static func transposedTimes(
    _ left: DoubleBlock, _ right: DoubleBlock, into output: UnsafeMutablePointer<Double>, stride: Int,
    scale: Double = 1, accumulating: Bool
  ) {
    precondition(left.rows == right.rows, "\(left.rows) rows against \(right.rows)")
    cblas_dgemm(
      CblasRowMajor, CblasTrans, CblasNoTrans, blasint(left.columns), blasint(right.columns),
      blasint(left.rows),
      scale, left.elements, blasint(left.stride), right.elements, blasint(right.stride), accumulating ? 1 : 0,
      output, blasint(stride))
  }
}
