import Foundation

/// Reference implementation of `DotProductAttention` for tests: sums in double precision in the order of the formulas,
/// on one thread.
public enum ReferenceDotProductAttention {
  /// softmax(Q Kᵀ / sqrt(D)) V -> [B, N, H, D].
  public static func forward(
    _ attention: DotProductAttention, _ operands: DotProductAttention.Operands,
    attended: UnsafeMutablePointer<Float>
  ) {
    forEachQuery(attention, operands) { head, query, p in
      for d in 0..<attention.headWidth {
        let sum = p.indices.reduce(0) { $0 + p[$1] * Double(operands.values[head.keyPlace($1, d)]) }
        attended[head.attendedPlace(query, d)] = Float(sum)
      }
    }
  }

  /// Writes the gradients of queries, keys and values.
  public static func backward(
    _ attention: DotProductAttention, _ operands: DotProductAttention.Operands,
    attendedGradient: UnsafePointer<Float>, gradients: DotProductAttention.Gradients
  ) {
    let width = attention.headWidth
    let scale = 1 / Double(width).squareRoot()
    var queries = [Double](repeating: 0, count: attention.batch * attention.queries * operands.queryStride)
    var keys = [Double](repeating: 0, count: attention.batch * attention.keys * operands.keyStride)
    var values = keys
    var places: (queries: Set<Int>, keys: Set<Int>) = ([], [])
    forEachQuery(attention, operands) { head, query, p in
      let dy = (0..<width).map { Double(attendedGradient[head.attendedPlace(query, $0)]) }
      let dp = p.indices.map { key in
        (0..<width).reduce(0) { $0 + dy[$1] * Double(operands.values[head.keyPlace(key, $1)]) }
      }
      let mean = zip(p, dp).reduce(0) { $0 + $1.0 * $1.1 }
      for d in 0..<width { places.queries.insert(head.queryPlace(query, d)) }
      for key in p.indices {
        let ds = p[key] * (dp[key] - mean) * scale
        for d in 0..<width {
          let (row, column) = (head.queryPlace(query, d), head.keyPlace(key, d))
          places.keys.insert(column)
          queries[row] += ds * Double(operands.keys[column])
          keys[column] += ds * Double(operands.queries[row])
          values[column] += p[key] * dy[d]
        }
      }
    }
    for place in places.queries { gradients.queries[place] = Float(queries[place]) }
    for place in places.keys {
      gradients.keys[place] = Float(keys[place])
      gradients.values[place] = Float(values[place])
    }
  }

  /// One head of one image.
  private struct Head {
    let attention: DotProductAttention
    let operands: DotProductAttention.Operands
    let image, head: Int

    /// The index of element `d` of a query.
    func queryPlace(_ token: Int, _ d: Int) -> Int {
      (image * attention.queries + token) * operands.queryStride + head * attention.headWidth + d
    }

    /// The index of element `d` of a key among the keys, and of a value among the values.
    func keyPlace(_ token: Int, _ d: Int) -> Int {
      (image * attention.keys + token) * operands.keyStride + head * attention.headWidth + d
    }

    func attendedPlace(_ token: Int, _ d: Int) -> Int {
      ((image * attention.queries + token) * attention.heads + head) * attention.headWidth + d
    }

    func attends(_ query: Int, to key: Int) -> Bool {
      (!attention.isCausal || key <= query)
        && operands.keyMask.map { $0[image * attention.keys + key] != 0 } ?? true
    }
  }

  /// Calls `body` for each query of each head with its softmax over the keys.
  private static func forEachQuery(
    _ attention: DotProductAttention, _ operands: DotProductAttention.Operands,
    _ body: (_ head: Head, _ query: Int, _ p: [Double]) -> Void
  ) {
    let scale = 1 / Double(attention.headWidth).squareRoot()
    for index in 0..<attention.batch * attention.heads {
      let head = Head(
        attention: attention, operands: operands, image: index / attention.heads,
        head: index % attention.heads)
      for query in 0..<attention.queries {
        let scores = (0..<attention.keys).map { key -> Double in
          guard head.attends(query, to: key) else { return -.infinity }
          return (0..<attention.headWidth).reduce(0) {
            $0 + Double(operands.queries[head.queryPlace(query, $1)])
              * Double(operands.keys[head.keyPlace(key, $1)])
          } * scale
        }
        let largest = scores.reduce(-.infinity, max)
        let powers = scores.map { $0 == -.infinity ? 0 : exp($0 - largest) }
        let total = powers.reduce(0, +)
        body(head, query, powers.map { total == 0 ? 0 : $0 / total })
      }
    }
  }
}
