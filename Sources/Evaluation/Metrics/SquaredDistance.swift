/// Squared Euclidean distances between the rows of two matrices: fast from inner products, and directly where that is
/// too inaccurate to order two distances.
///
/// Distances of a pair are compared with those of other pairs: equal features must give equal distances, wherever they
/// are in their sets, or rounding errors would decide whether duplicates count.
struct SquaredDistance {
  let left: DoubleMatrix
  let right: DoubleMatrix
  let leftNorms: [Double]
  let rightNorms: [Double]
  /// The error bound of `approximate`, relative to the sum of both norms.
  private let relativeError: Double

  init(_ left: DoubleMatrix, _ right: DoubleMatrix, leftNorms: [Double], rightNorms: [Double]) {
    self.left = left
    self.right = right
    self.leftNorms = leftNorms
    self.rightNorms = rightNorms
    // Three sums of D products, each with an error of at most D ε times the norms.
    relativeError = 4 * Double(left.columns + 2) * .ulpOfOne
  }

  /// Computed from the inner product of the pair.
  @inline(__always)
  func approximate(_ row: Int, _ column: Int, product: Double) -> Double {
    leftNorms[row] + rightNorms[column] - 2 * product
  }

  /// The error bound of the approximate or direct distance of this pair.
  @inline(__always)
  func error(_ row: Int, _ column: Int) -> Double { relativeError * (leftNorms[row] + rightNorms[column]) }

  /// The sum of squared differences in a fixed order: identical bits for the same two rows.
  func direct(_ row: Int, _ column: Int) -> Double {
    let (a, b) = (left.row(row), right.row(column))
    var sum = SIMD8<Double>.zero
    var index = 0
    while index + 8 <= left.columns {
      let difference =
        UnsafeRawPointer(a + index).loadUnaligned(as: SIMD8<Double>.self)
        - UnsafeRawPointer(b + index).loadUnaligned(as: SIMD8<Double>.self)
      sum += difference * difference
      index += 8
    }
    var total = sum.sum()
    while index < left.columns {
      total += (a[index] - b[index]) * (a[index] - b[index])
      index += 1
    }
    return total
  }
}
