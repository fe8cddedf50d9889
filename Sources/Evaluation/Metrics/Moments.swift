import Kernels

/// Mean and covariance of a set of features, as `numpy.mean` and `numpy.cov` define them.
struct Moments {
  /// [D].
  let mean: [Double]
  /// [D, D], divided by N - 1.
  let covariance: DoubleMatrix

  /// Columns of the covariance per task, and rows of features summed by one product.
  private static let (panel, depth) = (128, 1024)

  /// - Throws: `EvaluationError` if there are fewer than two images.
  init(_ features: FeatureSet, pool: ThreadPool) throws {
    try features.require(atLeast: 2, for: "a covariance")
    let (n, d) = (features.count, features.width)
    var mean = [Double](repeating: 0, count: d)
    let centered = features.matrix.copy()
    mean.withUnsafeMutableBufferPointer { mean in
      let mean = mean
      pool.parallelPieces(d, of: Self.panel) { columns, _ in
        for row in 0..<n {
          let values = centered.row(row)
          for column in columns { mean[column] += values[column] }
        }
        for column in columns { mean[column] /= Double(n) }
        for row in 0..<n {
          let values = centered.row(row)
          for column in columns { values[column] -= mean[column] }
        }
      }
    }
    let covariance = DoubleMatrix(rows: d, columns: d)
    pool.parallelPieces(d, of: Self.panel) { rows, _ in
      for start in stride(from: 0, to: n, by: Self.depth) {
        let part = start..<min(start + Self.depth, n)
        DoubleProduct.transposedTimes(
          DoubleBlock(centered, rows: part, columns: rows), DoubleBlock(centered, rows: part),
          into: covariance.row(rows.lowerBound), stride: d, scale: 1 / Double(n - 1), accumulating: start > 0)
      }
    }
    self.mean = mean
    self.covariance = covariance
  }
}
