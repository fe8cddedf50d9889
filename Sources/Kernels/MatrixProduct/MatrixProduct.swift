import COpenBLAS

/// A row-major matrix, whole or part of a larger one: element (r, c) is at `r * stride + c`.
public struct Matrix {
  public let elements: UnsafePointer<Float>
  public let rows: Int
  public let columns: Int
  /// The distance between rows in floats.
  public let stride: Int
  /// Whether products use the transpose; `rows` and `columns` are those in memory.
  public let isTransposed: Bool

  public init(_ elements: UnsafePointer<Float>, rows: Int, columns: Int, stride: Int? = nil) {
    self.init(elements, rows: rows, columns: columns, stride: stride ?? columns, isTransposed: false)
  }

  public init(_ elements: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int? = nil) {
    self.init(UnsafePointer(elements), rows: rows, columns: columns, stride: stride)
  }

  private init(_ elements: UnsafePointer<Float>, rows: Int, columns: Int, stride: Int, isTransposed: Bool) {
    precondition(stride >= columns, "a stride of \(stride) is too small for \(columns) columns")
    self.elements = elements
    self.rows = rows
    self.columns = columns
    self.stride = stride
    self.isTransposed = isTransposed
  }

  public var transposed: Matrix {
    Matrix(elements, rows: rows, columns: columns, stride: stride, isTransposed: !isTransposed)
  }

  var effectiveRows: Int { isTransposed ? columns : rows }
  var effectiveColumns: Int { isTransposed ? rows : columns }
}

public enum MatrixProduct {
  /// Below this many rows or columns of the output, packing a factor costs more than reading it in place.
  private static let narrow = 64

  /// `output` = `scale` * `left` * `right` (+ `output` if `accumulating`), on the calling thread.
  ///
  /// - Parameters:
  ///   - output: [left.rows, right.columns], with rows `stride` floats apart (contiguous if nil).
  ///   - precision: how the factors may be rounded.
  public static func compute(
    _ left: Matrix, _ right: Matrix, into output: UnsafeMutablePointer<Float>, stride: Int? = nil,
    scale: Float = 1, accumulating: Bool = false, precision: ProductPrecision = .float32
  ) {
    let (m, k, n) = (left.effectiveRows, left.effectiveColumns, right.effectiveColumns)
    precondition(k == right.effectiveRows, "[\(m), \(k)] times [\(right.effectiveRows), \(n)]")
    guard m > 0, n > 0 else { return }
    if precision == .bf16 && scale == 1 && ProductPrecision.hasBFloat16Products {
      BFloat16Product.compute(
        left, .matrix(right), into: output, stride: stride ?? n, accumulating: accumulating)
      return
    }
    if scale == 1 && !right.isTransposed && n >= Vector.width && min(m, n) < narrow {
      VectorProduct.compute(
        VectorProduct.Left(left),
        VectorProduct.Right(elements: right.elements, columns: n, stride: right.stride, isPanels: false),
        rows: m, depth: k, into: output, stride: stride ?? n, accumulating: accumulating)
      return
    }
    PanelProduct.compute(
      left, right, into: output, stride: stride ?? n, scale: scale, accumulating: accumulating)
  }

  /// The same product, computed by OpenBLAS, whose results for a row may depend on the number of rows.
  package static func computeByOpenBLAS(
    _ left: Matrix, _ right: Matrix, into output: UnsafeMutablePointer<Float>, stride: Int, scale: Float,
    accumulating: Bool
  ) {
    cblas_sgemm(
      CblasRowMajor, left.isTransposed ? CblasTrans : CblasNoTrans,
      right.isTransposed ? CblasTrans : CblasNoTrans, blasint(left.effectiveRows),
      blasint(right.effectiveColumns), blasint(left.effectiveColumns), scale, left.elements,
      blasint(left.stride), right.elements, blasint(right.stride), accumulating ? 1 : 0, output,
      blasint(stride))
  }
}

extension Matrix {
  /// Rows `range` of the effective matrix.
  func rowBlock(_ range: Range<Int>) -> Matrix {
    isTransposed
      ? Matrix(elements + range.lowerBound, rows: rows, columns: range.count, stride: stride).transposed
      : Matrix(elements + range.lowerBound * stride, rows: range.count, columns: columns, stride: stride)
  }

  /// Columns `range` of the effective matrix.
  func columnBlock(_ range: Range<Int>) -> Matrix { transposed.rowBlock(range).transposed }
}
