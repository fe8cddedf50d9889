/// Divides each row by its Euclidean norm: y = x / (|x| + ε), for x [R, C].
public enum UnitRows {
  /// - Parameters:
  ///   - epsilon: ε.
  ///   - lengths: [R]; receives |x|.
  public static func forward(
    _ x: UnsafePointer<Float>, rows: Int, columns: Int, epsilon: Float = 0,
    output: UnsafeMutablePointer<Float>,
    lengths: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    pool.parallelPieces(rows, of: max(8192 / columns, 1)) { rows, _ in
      for row in rows {
        let (x, y) = (x + row &* columns, output + row &* columns)
        let length = Float(Reduction.sumOfSquares(x, 0..<columns).squareRoot())
        lengths[row] = length
        for column in 0..<columns { y[column] = x[column] / (length + epsilon) }
      }
    }
  }

  /// Writes dx = (dy - y (|x| + ε) / |x| Σ y dy) / (|x| + ε); 0 for a row of zeros if ε > 0, where the norm has no
  /// gradient.
  public static func backward(
    _ y: UnsafePointer<Float>, lengths: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>, rows: Int,
    columns: Int, epsilon: Float = 0, inputGradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    pool.parallelPieces(rows, of: max(8192 / columns, 1)) { rows, _ in
      for row in rows {
        let place = row &* columns
        let (y, dy, dx) = (y + place, outputGradient + place, inputGradient + place)
        let length = lengths[row]
        if epsilon > 0 && length == 0 {
          dx.update(repeating: 0, count: columns)
          continue
        }
        let (divisor, dot) = (length + epsilon, Reduction.dot(y, dy, count: columns))
        let slope = dot * (divisor / length)
        for column in 0..<columns { dx[column] = (dy[column] - y[column] * slope) / divisor }
      }
    }
  }
}
