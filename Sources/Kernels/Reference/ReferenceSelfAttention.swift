import Foundation

/// Reference implementation of `SelfAttention` for tests: sums in double precision in the order of the formulas, on one
/// thread. Same layouts: x, y [B, N, C]; Wqkv [C, 3 H D]; Wout [H D, C]; bias [C].
public enum ReferenceSelfAttention {
  /// y = attend(x Wqkv) Wout + bias, with the sizes and kind of `attention`.
  public static func forward(
    _ attention: SelfAttention, _ x: UnsafePointer<Float>, qkvWeights: UnsafePointer<Float>,
    outputWeights: UnsafePointer<Float>, bias: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>
  ) {
    let (n, c, hidden) = (attention.tokens, attention.channels, attention.hiddenWidth)
    for image in 0..<attention.batch {
      /// The queries (0), keys (1) or values (2) of one head, [N, D].
      func projection(_ which: Int, _ head: Int) -> [[Double]] {
        (0..<n).map { token in
          (0..<attention.headWidth).map { d in
            let column = which * hidden + head * attention.headWidth + d
            return (0..<c).reduce(0) {
              $0 + Double(x[(image * n + token) * c + $1]) * Double(qkvWeights[$1 * 3 * hidden + column])
            }
          }
        }
      }
      let heads = (0..<attention.heads).map { head in
        let (q, k, v) = (projection(0, head), projection(1, head), projection(2, head))
        return switch attention.kind {
        case .softmax: softmaxAttention(q, k, v)
        case .linear: linearAttention(q, k, v)
        }
      }
      for token in 0..<n {
        let attended = heads.flatMap { $0[token] }
        for channel in 0..<c {
          let sum = (0..<hidden).reduce(Double(bias[channel])) {
            $0 + attended[$1] * Double(outputWeights[$1 * c + channel])
          }
          output[(image * n + token) * c + channel] = Float(sum)
        }
      }
    }
  }

  /// softmax(Q Kᵀ / sqrt(D)) V.
  private static func softmaxAttention(_ q: [[Double]], _ k: [[Double]], _ v: [[Double]]) -> [[Double]] {
    let scale = 1 / Double(q[0].count).squareRoot()
    return q.map { query in
      let weights = softmax(k.map { scale * dot(query, $0) })
      return v[0].indices.map { d in dot(weights, v.map { $0[d] }) }
    }
  }

  /// softmax over D of Q, times (softmax over N of K)ᵀ V / sqrt(D).
  private static func linearAttention(_ q: [[Double]], _ k: [[Double]], _ v: [[Double]]) -> [[Double]] {
    let scale = 1 / Double(q[0].count).squareRoot()
    let keys = k[0].indices.map { d in softmax(k.map { $0[d] }) }
    let context = keys.map { key in v[0].indices.map { d in dot(key, v.map { $0[d] }) } }
    return q.map { query in
      let weights = softmax(query)
      return v[0].indices.map { d in scale * dot(weights, context.map { $0[d] }) }
    }
  }

  private static func softmax(_ values: [Double]) -> [Double] {
    let largest = values.reduce(-.infinity, max)
    let powers = values.map { exp($0 - largest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  private static func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
}
