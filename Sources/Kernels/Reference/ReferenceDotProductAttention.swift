import Foundation

/// The attention that `DotProductAttention` is checked against: sums in double precision in the order of the formulas,
/// on one thread. Same layouts: qkv [B, N, 3, H, D], attended [B, N, H, D].
public enum ReferenceDotProductAttention {
  /// softmax(Q Kᵀ / sqrt(D)) V.
  public static func forward(
    _ attention: DotProductAttention, _ qkv: UnsafePointer<Float>, attended: UnsafeMutablePointer<Float>
  ) {
    forEachQuery(attention, qkv) { head, query, p in
      for d in 0..<attention.headWidth {
        let sum = (0..<attention.tokens).reduce(0) { $0 + p[$1] * head.value(2, $1, d) }
        attended[head.attendedPlace(query, d)] = Float(sum)
      }
    }
  }

  /// Writes the gradient of qkv.
  public static func backward(
    _ attention: DotProductAttention, _ qkv: UnsafePointer<Float>, attendedGradient: UnsafePointer<Float>,
    qkvGradient: UnsafeMutablePointer<Float>
  ) {
    let (n, width) = (attention.tokens, attention.headWidth)
    let scale = 1 / Double(width).squareRoot()
    var sums = [Double](repeating: 0, count: attention.batch * n * 3 * attention.heads * width)
    forEachQuery(attention, qkv) { head, query, p in
      let dy = (0..<width).map { Double(attendedGradient[head.attendedPlace(query, $0)]) }
      let dp = (0..<n).map { key in (0..<width).reduce(0) { $0 + dy[$1] * head.value(2, key, $1) } }
      let mean = zip(p, dp).reduce(0) { $0 + $1.0 * $1.1 }
      for key in 0..<n {
        let ds = p[key] * (dp[key] - mean) * scale
        for d in 0..<width {
          sums[head.place(0, query, d)] += ds * head.value(1, key, d)
          sums[head.place(1, key, d)] += ds * head.value(0, query, d)
          sums[head.place(2, key, d)] += p[key] * dy[d]
        }
      }
    }
    for index in sums.indices { qkvGradient[index] = Float(sums[index]) }
  }

  /// One head of one image.
  private struct Head {
    let attention: DotProductAttention
    let qkv: UnsafePointer<Float>
    let image, head: Int

    /// Where number `d` of a query (0), key (1) or value (2) is.
    func place(_ which: Int, _ token: Int, _ d: Int) -> Int {
      (((image * attention.tokens + token) * 3 + which) * attention.heads + head) * attention.headWidth + d
    }

    func attendedPlace(_ token: Int, _ d: Int) -> Int {
      ((image * attention.tokens + token) * attention.heads + head) * attention.headWidth + d
    }

    func value(_ which: Int, _ token: Int, _ d: Int) -> Double { Double(qkv[place(which, token, d)]) }
  }

  /// Calls `body` for every query of every head with its softmax over the keys.
  private static func forEachQuery(
    _ attention: DotProductAttention, _ qkv: UnsafePointer<Float>,
    _ body: (_ head: Head, _ query: Int, _ p: [Double]) -> Void
  ) {
    let scale = 1 / Double(attention.headWidth).squareRoot()
    for index in 0..<attention.batch * attention.heads {
      let head = Head(
        attention: attention, qkv: qkv, image: index / attention.heads, head: index % attention.heads)
      for query in 0..<attention.tokens {
        let scores = (0..<attention.tokens).map { key in
          (0..<attention.headWidth).reduce(0) { $0 + head.value(0, query, $1) * head.value(1, key, $1) }
            * scale
        }
        let largest = scores.reduce(-.infinity, max)
        let powers = scores.map { exp($0 - largest) }
        let total = powers.reduce(0, +)
        body(head, query, powers.map { $0 / total })
      }
    }
  }
}
