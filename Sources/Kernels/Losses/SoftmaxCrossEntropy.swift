import Foundation

/// -ln softmax(x)[label] of each row of x [R, K]: PyTorch's `cross_entropy`.
public enum SoftmaxCrossEntropy {
  /// The mean over the rows, summed in double precision in order.
  ///
  /// - Parameters:
  ///   - labels: R class indices from 0 to K - 1.
  ///   - probabilities: [R, K]; receives softmax(x).
  public static func forward(
    _ x: UnsafePointer<Float>, columns: Int, labels: [Int], probabilities: UnsafeMutablePointer<Float>,
    pool: ThreadPool
  ) -> Double {
    var losses = [Double](repeating: 0, count: labels.count)
    losses.withUnsafeMutableBufferPointer { losses in
      pool.parallelPieces(labels.count, of: max(8192 / columns, 1)) { rows, _ in
        for row in rows {
          let (x, p) = (x + row * columns, probabilities + row * columns)
          var largest = -Float.infinity
          for column in 0..<columns { largest = max(largest, x[column]) }
          var total = 0.0
          forEachVector(columns) { index in
            (Vector(from: x + index) - Vector(repeating: largest)).exponential.store(to: p + index)
          } rest: { index, rest in
            (Vector(from: x + index, count: rest) - Vector(repeating: largest)).exponential
              .store(to: p + index, count: rest)
          }
          for column in 0..<columns { total += Double(p[column]) }
          let inverse = Float(1 / total)
          for column in 0..<columns { p[column] *= inverse }
          losses[row] = log(total) - Double(x[labels[row]] - largest)
        }
      }
    }
    return losses.reduce(0, +) / Double(labels.count)
  }

  /// Writes dx = scale (softmax(x) - onehot(label)) / R.
  public static func backward(
    _ probabilities: UnsafePointer<Float>, columns: Int, labels: [Int], scale: Float,
    inputGradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let factor = scale / Float(labels.count)
    pool.parallelPieces(labels.count, of: max(8192 / columns, 1)) { rows, _ in
      for row in rows {
        let (p, dx) = (probabilities + row * columns, inputGradient + row * columns)
        for column in 0..<columns { dx[column] = factor * p[column] }
        dx[labels[row]] = factor * (p[labels[row]] - 1)
      }
    }
  }
}
