import COpenBLAS

/// Decompositions of float64 matrices by LAPACK, on the calling thread.
enum Decomposition {
  /// A factor F [n, n] of a positive semidefinite matrix S with Fᵀ F = S: its rows are √λᵢ vᵢᵀ.
  ///
  /// Eigenvalues that rounding has made negative, or that are below the float64 resolution relative to the largest (n ε
  /// λ_max), count as zero.
  ///
  /// - Parameter matrix: S, symmetric; overwritten.
  /// - Throws: `EvaluationError` naming `place` if the iteration does not converge.
  static func squareRootRows(_ matrix: DoubleMatrix, of place: String) throws -> DoubleMatrix {
    precondition(matrix.rows == matrix.columns, "\(matrix.rows) x \(matrix.columns) is not square")
    let n = matrix.rows
    var values = [Double](repeating: 0, count: n)
    let info = symmetricEigenvectors(matrix, &values)
    guard info == 0 else {
      throw EvaluationError(
        place, "the eigenvalues of its covariance do not converge (dsyevd: \(info))")
    }
    // LAPACK is column-major: eigenvector i is row i here.
    let floor = Double(n) * .ulpOfOne * max(values.last ?? 0, 0)
    for row in 0..<n {
      let factor = values[row] > floor ? values[row].squareRoot() : 0
      for column in 0..<n { matrix[row, column] *= factor }
    }
    return matrix
  }

  /// The sum of the singular values of `matrix`, which is overwritten.
  ///
  /// - Throws: `EvaluationError` naming `place` if the iteration does not converge.
  static func nuclearNorm(_ matrix: DoubleMatrix, of place: String) throws -> Double {
    // To LAPACK, row-major memory is the transpose, which has the same singular values.
    var (rows, columns) = (blasint(matrix.columns), blasint(matrix.rows))
    var values = [Double](repeating: 0, count: min(matrix.rows, matrix.columns))
    var integers = [blasint](repeating: 0, count: 8 * max(values.count, 1))
    // Not written, since no vectors are computed.
    var (left, right, leftStride, rightStride) = (0.0, 0.0, blasint(1), blasint(1))
    var (stride, info) = (rows, blasint(0))
    var (workCount, best) = (blasint(-1), 0.0)
    func call(_ work: UnsafeMutablePointer<Double>) {
      dgesdd_(
        "N", &rows, &columns, matrix.elements, &stride, &values, &left, &leftStride, &right, &rightStride,
        work,
        &workCount, &integers, &info, 1)
    }
    withUnsafeMutablePointer(to: &best) { call($0) }
    let work = DoubleMatrix(rows: 1, columns: Int(best))
    workCount = blasint(work.columns)
    call(work.elements)
    guard info == 0 else {
      throw EvaluationError(
        place, "the singular values of the product of covariances do not converge (dgesdd: \(info))")
    }
    // From the smallest, to minimise rounding.
    return values.reversed().reduce(0, +)
  }

  /// Replaces a symmetric matrix by its eigenvectors, one per row, and fills `values` in ascending order.
  private static func symmetricEigenvectors(_ matrix: DoubleMatrix, _ values: inout [Double]) -> blasint {
    var (n, stride, info) = (blasint(matrix.rows), blasint(matrix.rows), blasint(0))
    var (workCount, integerCount) = (blasint(-1), blasint(-1))
    var (bestWork, bestInteger) = (0.0, blasint(0))
    func call(_ work: UnsafeMutablePointer<Double>, _ integers: UnsafeMutablePointer<blasint>) {
      dsyevd_(
        "V", "L", &n, matrix.elements, &stride, &values, work, &workCount, integers, &integerCount, &info, 1,
        1)
    }
    withUnsafeMutablePointer(to: &bestWork) { work in
      withUnsafeMutablePointer(to: &bestInteger) { call(work, $0) }
    }
    guard info == 0 else { return info }
    let work = DoubleMatrix(rows: 1, columns: Int(bestWork))
    var integers = [blasint](repeating: 0, count: Int(bestInteger))
    (workCount, integerCount) = (blasint(work.columns), blasint(integers.count))
    integers.withUnsafeMutableBufferPointer { call(work.elements, $0.baseAddress!) }
    return info
  }
}
