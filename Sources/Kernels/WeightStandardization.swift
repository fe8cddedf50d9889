/// Weight standardisation (Qiao et al., 2019): each output channel's weights to mean 0 and variance 1.
///
/// Layouts: weights [F, K], F = R * R * C the weights of one output channel, statistics [2, K] (means, then
/// 1 / sqrt(variance + eps)).
public enum WeightStandardization {
  public static let epsilon: Float = 1e-5

  /// Output channels that one task works on: a cache line's.
  private static let block = 16

  public static func forward(
    _ weights: UnsafePointer<Float>, fanIn: Int, outputs: Int, standardized: UnsafeMutablePointer<Float>,
    statistics: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    pool.parallelPieces(outputs, of: block) { columns, _ in
      for k in columns { (statistics[k], statistics[outputs + k]) = (0, 0) }
      let (means, inverses) = (statistics, statistics + outputs)
      for f in 0..<fanIn {
        for k in columns { means[k] += weights[f &* outputs &+ k] }
      }
      for k in columns { means[k] /= Float(fanIn) }
      for f in 0..<fanIn {
        for k in columns {
          let d = weights[f &* outputs &+ k] - means[k]
          inverses[k] += d * d
        }
      }
      for k in columns { inverses[k] = 1 / (inverses[k] / Float(fanIn) + epsilon).squareRoot() }
      for f in 0..<fanIn {
        for k in columns {
          standardized[f &* outputs &+ k] = (weights[f &* outputs &+ k] - means[k]) * inverses[k]
        }
      }
    }
  }

  /// Adds to `gradient`: with w^ the standardised weights and g their gradient,
  /// dw = (g - mean(g) - w^ mean(g w^)) / sqrt(variance + eps).
  public static func addGradient(
    _ standardized: UnsafePointer<Float>, statistics: UnsafePointer<Float>,
    standardizedGradient: UnsafePointer<Float>,
    fanIn: Int, outputs: Int, gradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    pool.parallelPieces(outputs, of: block) { columns, worker in
      let first = pool.scratch(2 * columns.count, worker: worker)
      let second = first + columns.count
      first.update(repeating: 0, count: 2 * columns.count)
      let start = columns.lowerBound
      for f in 0..<fanIn {
        for k in columns {
          let g = standardizedGradient[f &* outputs &+ k]
          first[k &- start] += g
          second[k &- start] += g * standardized[f &* outputs &+ k]
        }
      }
      for f in 0..<fanIn {
        for k in columns {
          let index = f &* outputs &+ k
          let centered =
            standardizedGradient[index] - first[k &- start] / Float(fanIn)
            - standardized[index] * second[k &- start] / Float(fanIn)
          gradient[index] += centered * statistics[outputs &+ k]
        }
      }
    }
  }
}
