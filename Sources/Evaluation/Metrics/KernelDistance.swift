/// KID's kernel, k(x, y) = (x·y / D + 1)³ (Bińkowski and others, "Demystifying MMD GANs", 2018, section 4).
struct CubicKernel {
  private let factor: Double

  /// - Parameter width: D.
  init(width: Int) { factor = 1 / Double(width) }

  @inline(__always)
  func callAsFunction(_ product: Double) -> Double {
    let base = product * factor + 1
    return base * base * base
  }
}

/// KID: the unbiased estimate of the squared maximum mean discrepancy, over all images of both sets (Gretton and others,
/// "A Kernel Two-Sample Test", 2012, equation 3):
///
///     Σ_{i≠j} k(xᵢ, xⱼ) / (m (m - 1)) + Σ_{i≠j} k(yᵢ, yⱼ) / (n (n - 1)) - 2 Σ_{ij} k(xᵢ, yⱼ) / (m n)
///
/// It allows sets of unequal sizes, so neither is subsampled. For equal sizes it is torch-fidelity's value for one
/// subset of all images.
public struct KernelDistance: Sendable, Equatable {
  public let value: Double
  /// The standard error of `value`, by the jackknife that leaves out one image of either set at a time (Efron and
  /// Stein, "The Jackknife Estimate of Variance", 1981), which needs no random subsets.
  public let error: Double

  /// - Parameters:
  ///   - own: Σ_{j≠i} k(xᵢ, xⱼ) for each i; likewise for y.
  ///   - cross: Σⱼ k(xᵢ, yⱼ) for each i; Σᵢ for each j.
  init(own: (x: [Double], y: [Double]), cross: (x: [Double], y: [Double])) {
    let (m, n) = (Double(own.x.count), Double(own.y.count))
    precondition(m >= 3 && n >= 3, "\(m) and \(n) images are too few for a jackknife")
    let (x, y, xy) = (own.x.reduce(0, +), own.y.reduce(0, +), cross.x.reduce(0, +))
    value = x / (m * (m - 1)) + y / (n * (n - 1)) - 2 * xy / (m * n)

    /// The contribution of one set's images to the squared error.
    func variance(
      _ own: [Double], _ cross: [Double], _ total: Double, _ m: Double, _ n: Double, other: Double
    )
      -> Double
    {
      let left = zip(own, cross).map { own, cross in
        (total - 2 * own) / ((m - 1) * (m - 2)) + other - 2 * (xy - cross) / ((m - 1) * n)
      }
      let mean = left.reduce(0, +) / m
      return (m - 1) / m * left.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    }
    error =
      (variance(own.x, cross.x, x, m, n, other: y / (n * (n - 1)))
      + variance(own.y, cross.y, y, n, m, other: x / (m * (m - 1)))).squareRoot()
  }
}
