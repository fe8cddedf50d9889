/// The two softmaxes of linear attention for one image: over the D elements of each head of Q, and over the N tokens
/// for each element of K.
///
/// Layout: each token has H D elements of Q and as many of K, possibly followed by others.
struct TokenSoftmax {
  let tokens: Int
  let heads: Int
  let headWidth: Int
  /// The distance between tokens in floats.
  let stride: Int

  private var hidden: Int { heads * headWidth }

  /// Replaces each head of each token by its softmax over the D elements.
  func ofQueries(_ qk: UnsafeMutablePointer<Float>) {
    for token in 0..<tokens {
      for head in 0..<heads {
        let q = qk + (token &* stride &+ head &* headWidth)
        var largest = Vector(from: q)
        for d in Swift.stride(from: 16, to: headWidth, by: 16) {
          largest = largest.larger(Vector(from: q + d))
        }
        let maximum = Vector(repeating: largest.largest)
        var sum = Vector(repeating: 0)
        for d in Swift.stride(from: 0, to: headWidth, by: 16) {
          let e = (Vector(from: q + d) - maximum).exponential
          e.store(to: q + d)
          sum += e
        }
        let inverse = Vector(repeating: 1 / sum.total)
        for d in Swift.stride(from: 0, to: headWidth, by: 16) {
          (Vector(from: q + d) * inverse).store(to: q + d)
        }
      }
    }
  }

  /// dQ = q (dq - Σ over D of q dq).
  func ofQueriesGradient(
    _ qk: UnsafeMutablePointer<Float>, _ gradient: UnsafeMutablePointer<Float>
  ) {
    for token in 0..<tokens {
      for head in 0..<heads {
        let offset = token &* stride &+ head &* headWidth
        let (q, g) = (qk + offset, gradient + offset)
        var sum = Vector(repeating: 0)
        for d in Swift.stride(from: 0, to: headWidth, by: 16) {
          sum = Vector(from: q + d).times(Vector(from: g + d), plus: sum)
        }
        let dot = Vector(repeating: sum.total)
        for d in Swift.stride(from: 0, to: headWidth, by: 16) {
          (Vector(from: q + d) * (Vector(from: g + d) - dot)).store(to: g + d)
        }
      }
    }
  }

  /// Replaces each of the H D columns of K by its softmax over the tokens. `rows` is scratch of 2 H D floats.
  func ofKeys(_ qk: UnsafeMutablePointer<Float>, rows: UnsafeMutablePointer<Float>) {
    let keys = qk + hidden
    let sum = rows + hidden
    exponentialsOfKeys(qk, largest: rows, sums: sum)
    for column in 0..<hidden { sum[column] = 1 / sum[column] }
    forEachToken { row, column in
      (Vector(from: keys + row + column) * Vector(from: sum + column)).store(to: keys + row + column)
    }
  }

  /// Replaces each of the H D columns of K by exp(K - largest), and writes the largest element and the sum of each
  /// column.
  func exponentialsOfKeys(
    _ qk: UnsafeMutablePointer<Float>, largest: UnsafeMutablePointer<Float>,
    sums sum: UnsafeMutablePointer<Float>
  ) {
    let keys = qk + hidden
    largest.update(repeating: -.infinity, count: hidden)
    sum.update(repeating: 0, count: hidden)
    forEachToken { row, column in
      Vector(from: largest + column).larger(Vector(from: keys + row + column)).store(to: largest + column)
    }
    forEachToken { row, column in
      let e = (Vector(from: keys + row + column) - Vector(from: largest + column)).exponential
      e.store(to: keys + row + column)
      (Vector(from: sum + column) + e).store(to: sum + column)
    }
  }

  /// k = exp(K - largest) * factor, with both given for each of the H D columns.
  func keys(
    _ qk: UnsafeMutablePointer<Float>, largest: UnsafePointer<Float>, factors: UnsafePointer<Float>
  ) {
    let keys = qk + hidden
    forEachToken { row, column in
      let e = (Vector(from: keys + row + column) - Vector(from: largest + column)).exponential
      (e * Vector(from: factors + column)).store(to: keys + row + column)
    }
  }

  /// dK = k (dk - Σ over N of k dk). `row` is scratch of H D floats.
  func ofKeysGradient(
    _ qk: UnsafeMutablePointer<Float>, _ gradient: UnsafeMutablePointer<Float>,
    row sum: UnsafeMutablePointer<Float>
  ) {
    let (keys, g) = (qk + hidden, gradient + hidden)
    sum.update(repeating: 0, count: hidden)
    forEachToken { row, column in
      Vector(from: keys + row + column).times(
        Vector(from: g + row + column), plus: Vector(from: sum + column)
      )
      .store(to: sum + column)
    }
    ofKeysGradient(qk, gradient, dots: sum)
  }

  /// dK = k (dk - dot), with dot = Σ over N of k dk given for each of the H D columns.
  func ofKeysGradient(
    _ qk: UnsafeMutablePointer<Float>, _ gradient: UnsafeMutablePointer<Float>, dots: UnsafePointer<Float>
  ) {
    let (keys, g) = (qk + hidden, gradient + hidden)
    forEachToken { row, column in
      (Vector(from: keys + row + column) * (Vector(from: g + row + column) - Vector(from: dots + column)))
        .store(to: g + row + column)
    }
  }

  /// Calls `body` with the offset of each token's row and the column of each vector in it.
  @inline(__always)
  private func forEachToken(_ body: (_ row: Int, _ column: Int) -> Void) {
    let (stride, hidden) = (stride, hidden)
    for token in 0..<tokens {
      var column = 0
      while column < hidden {
        body(token &* stride, column)
        column &+= Vector.width
      }
    }
  }
}
