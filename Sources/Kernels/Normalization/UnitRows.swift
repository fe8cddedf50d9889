/// Divides each row by its Euclidean norm: y = x / |x|, for x [R, C].
public enum UnitRows {
  /// - Parameter lengths: [R]; receives |x|.
  public static func forward(
    _ x: UnsafePointer<Float>, rows: Int, columns: Int, output: UnsafeMutablePointer<Float>,
    lengths: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    pool.parallelPieces(rows, of: max(8192 / columns, 1)) { rows, _ in
      for row in rows {
        let (x, y) = (x + row &* columns, output + row &* columns)
        let length = Float(Reduction.sumOfSquares(x, 0..<columns).squareRoot())
        lengths[row] = length
        for column in 0..<columns { y[column] = x[column] / length }
      }
    }
  }

  /// Writes dx = (dy - y Σ y dy) / |x|.
  public static func backward(
    _ y: UnsafePointer<Float>, lengths: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>, rows: Int,
    columns: Int, inputGradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    pool.parallelPieces(rows, of: max(8192 / columns, 1)) { rows, _ in
      for row in rows {
        let place = row &* columns
        let (y, dy, dx) = (y + place, outputGradient + place, inputGradient + place)
        let dot = Reduction.dot(y, dy, count: columns)
        for column in 0..<columns { dx[column] = (dy[column] - y[column] * dot) / lengths[row] }
      }
    }
  }
}
