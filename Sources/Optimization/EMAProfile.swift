import Foundation

/// The decay of an exponential moving average, as a function of the global step alone.
public enum EMAProfile: Hashable, Sendable {
  /// The same decay at every step.
  case constant(decay: Double)
  /// min(decay, (1 + s) / (10 + s)): early weights are forgotten quickly (TensorFlow's `num_updates`; the trainers of
  /// diffusers and improved-diffusion do something similar).
  case warmedUp(decay: Double)
  /// (1 - 1/s)^(γ + 1): the weights of step τ contribute in proportion to τ^γ, so the average widens as the run
  /// proceeds (Karras et al., 2024, "Analyzing and Improving the Training Dynamics of Diffusion Models", equation 2).
  case power(gamma: Double)

  /// The power profile whose standard deviation is `relativeWidth` times the length of the run: σ_rel in (0, 0.28],
  /// such as 0.05 or 0.1.
  public static func power(relativeWidth: Double) -> EMAProfile {
    .power(gamma: PowerProfile.gamma(relativeWidth: relativeWidth))
  }

  /// β in θ̂ ← β θ̂ + (1 - β) θ, where θ are the weights after `step` updates, counted from 1.
  public func decay(at step: Int) -> Double {
    precondition(step >= 1, "an average before the first update")
    switch self {
    case .constant(let decay): return decay
    case .warmedUp(let decay): return min(decay, Double(1 + step) / Double(10 + step))
    case .power(let gamma): return pow(1 - 1 / Double(step), gamma + 1)
    }
  }
}

/// The power profile f(τ) = (γ + 1) τ^γ / t^(γ + 1) on [0, t], and the post-hoc reconstruction of other profiles from
/// snapshots (Karras et al., 2024, appendix C).
public enum PowerProfile {
  /// The largest possible σ_rel, that of γ = 0, a plain mean.
  public static let widest = (1.0 / 12).squareRoot()

  /// σ_rel = sqrt((γ + 1) / ((γ + 2)² (γ + 3))).
  public static func relativeWidth(gamma: Double) -> Double {
    ((gamma + 1) / ((gamma + 2) * (gamma + 2) * (gamma + 3))).squareRoot()
  }

  /// The γ ≥ 0 for a given σ_rel in (0, `widest`]: the root of γ³ + 7 γ² + (16 - σ⁻²) γ + 12 - σ⁻² (algorithm 2).
  public static func gamma(relativeWidth: Double) -> Double {
    precondition(
      relativeWidth > 0 && relativeWidth <= widest, "σ_rel of \(relativeWidth) is not in (0, \(widest)]")
    let precision = 1 / (relativeWidth * relativeWidth)
    // The width decreases as γ grows, and (γ + 2)² < 1 / σ² bounds γ.
    var (low, high) = (0.0, precision.squareRoot() + 1)
    for _ in 0..<200 {
      let middle = 0.5 * (low + high)
      guard middle > low, middle < high else { break }
      if Self.relativeWidth(gamma: middle) > relativeWidth { low = middle } else { high = middle }
    }
    return 0.5 * (low + high)
  }

  /// A snapshot of a tracked average, or the target of a reconstruction.
  public struct Average: Hashable, Sendable {
    /// The step at which it is taken, above 0.
    public var step: Double
    public var gamma: Double

    public init(step: Double, gamma: Double) {
      precondition(step > 0 && gamma >= 0, "step \(step), γ \(gamma)")
      self.step = step
      self.gamma = gamma
    }
  }

  /// The inner product of two profiles with t_a ≤ t_b: (γ_a + 1)(γ_b + 1) (t_a / t_b)^γ_b / ((γ_a + γ_b + 1) t_b)
  /// (algorithm 3).
  static func product(_ a: Average, _ b: Average) -> Double {
    let (short, long) = a.step <= b.step ? (a, b) : (b, a)
    let ratio = short.step / long.step
    return (short.gamma + 1) * (long.gamma + 1) * pow(ratio, long.gamma)
      / ((short.gamma + long.gamma + 1) * long.step)
  }

  /// The coefficients for which the weighted sum of the snapshots' profiles is closest to that of `target` in the
  /// least-squares sense: the solution of A x = b, where A and b hold inner products of profiles (Karras et al., 2024,
  /// equation 20).
  ///
  /// - Parameter snapshots: at least one, all different, none later than the target.
  /// - Throws: ``AverageError`` if there are no snapshots, if some are equal or too similar, or if one is later than
  ///   the target.
  public static func coefficients(of snapshots: [Average], for target: Average) throws -> [Double] {
    guard !snapshots.isEmpty else {
      throw AverageError("there are no snapshots to reconstruct an average from")
    }
    guard Set(snapshots).count == snapshots.count else {
      throw AverageError("the same snapshot is given twice: \(snapshots)")
    }
    if let late = snapshots.first(where: { $0.step > target.step }) {
      throw AverageError("the snapshot of step \(late.step) is later than the average's, \(target.step)")
    }
    // Normalising the profiles to unit length leaves the solution unchanged but makes the system far better
    // conditioned.
    let lengths = snapshots.map { product($0, $0).squareRoot() }
    let matrix = snapshots.indices.map { row in
      snapshots.indices.map { product(snapshots[row], snapshots[$0]) / (lengths[row] * lengths[$0]) }
    }
    let right = snapshots.indices.map { product(snapshots[$0], target) / lengths[$0] }
    guard let solution = solve(matrix, right) else {
      throw AverageError("the snapshots are too much alike to be told apart: \(snapshots)")
    }
    return zip(solution, lengths).map { $0 / $1 }
  }

  /// Gaussian elimination with partial pivoting; nil for a singular matrix.
  private static func solve(_ matrix: [[Double]], _ right: [Double]) -> [Double]? {
    var rows = zip(matrix, right).map { $0 + [$1] }
    let count = rows.count
    for column in 0..<count {
      guard let pivot = (column..<count).max(by: { abs(rows[$0][column]) < abs(rows[$1][column]) }),
        abs(rows[pivot][column]) > 1e-13
      else { return nil }
      rows.swapAt(column, pivot)
      for row in column + 1..<count {
        let factor = rows[row][column] / rows[column][column]
        for place in column...count { rows[row][place] -= factor * rows[column][place] }
      }
    }
    var solution = [Double](repeating: 0, count: count)
    for row in (0..<count).reversed() {
      let known = (row + 1..<count).reduce(0) { $0 + rows[row][$1] * solution[$1] }
      solution[row] = (rows[row][count] - known) / rows[row][row]
    }
    return solution
  }
}

/// Snapshots from which an average cannot be reconstructed.
public struct AverageError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}
