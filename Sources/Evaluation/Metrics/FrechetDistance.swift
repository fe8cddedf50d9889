import Kernels

/// The Fréchet distance of two sets of features, each modelled as a normal distribution (Heusel and others, "GANs
/// Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", 2017, equation 6):
///
///     |m₁ - m₂|² + tr(C₁ + C₂ - 2 (C₁ C₂)^½)
///
/// Computed in float64. The trace of the root is that of (C₁^½ C₂ C₁^½)^½, whose eigenvalues are the singular values of
/// C₁^½ C₂^½. With C = Fᵀ F and F = Λ^½ Vᵀ, these are also the singular values of F₁ F₂ᵀ. So no eigenvalue is squared
/// before its root is taken, and rank-deficient covariances lose no precision.
public enum FrechetDistance {
  /// - Throws: `EvaluationError` if the widths differ, or a set has fewer than two images.
  public static func compute(_ a: FeatureSet, _ b: FeatureSet, pool: ThreadPool) throws -> Double {
    try FeatureSet.requireSameWidth(a, b)
    let moments = [try Moments(a, pool: pool), try Moments(b, pool: pool)]
    let means = zip(moments[0].mean, moments[1].mean).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    let traces = moments.map { moments in
      (0..<a.width).reduce(0) { $0 + moments.covariance[$1, $1] }
    }
    var roots = [Result<DoubleMatrix, any Error>?](repeating: nil, count: 2)
    roots.withUnsafeMutableBufferPointer { roots in
      let roots = roots
      pool.parallel(2) { index, _ in
        roots[index] = Result {
          try Decomposition.squareRootRows(moments[index].covariance, of: index == 0 ? a.name : b.name)
        }
      }
    }
    guard let first = try roots[0]?.get(), let second = try roots[1]?.get() else {
      preconditionFailure("a task of two was not run")
    }
    let product = DoubleMatrix(rows: a.width, columns: a.width)
    pool.parallelPieces(a.width, of: 128) { rows, _ in
      DoubleProduct.timesTransposed(
        DoubleBlock(first, rows: rows), DoubleBlock(second, rows: 0..<a.width),
        into: product.row(rows.lowerBound), stride: a.width)
    }
    let root = try Decomposition.nuclearNorm(product, of: a.name)
    // For equal distributions, rounding may give a negative result.
    return max(0, means + (traces[0] + traces[1] - 2 * root))
  }

  /// A warning about small sets; nil if there are enough images.
  static func warning(_ a: FeatureSet, _ b: FeatureSet) -> String? {
    let smaller = a.count <= b.count ? a : b
    guard smaller.count <= smaller.width else { return nil }
    return
      "\(smaller.name) has \(smaller.count) images for \(smaller.width) features: its covariance has not full rank, "
      + "and FID is larger than that of the distributions, by an amount that falls with the number of images; "
      + "compare it only with FIDs of as many images, or take KID, which has no bias"
  }
}
