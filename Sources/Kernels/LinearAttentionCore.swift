/// Linear attention: context = (softmax over N of K)ᵀ V, a D x D matrix for each head; output = q context / sqrt(D)
/// with q = softmax over D of Q.
struct LinearAttentionCore: AttentionCore {
  let tokens: Int
  let heads: Int
  let headWidth: Int

  private var hidden: Int { heads * headWidth }
  private var stride: Int { 3 * hidden }
  private var scale: Float { 1 / Float(headWidth).squareRoot() }

  /// The contexts [H, D, D], their gradients, and two rows [H, D].
  var scratchCount: Int { 2 * heads * headWidth * headWidth + 2 * hidden }

  /// Leaves q and k, after their softmax, in the place of Q and K, and the contexts in `scratch`.
  func forward(
    _ qkv: UnsafeMutablePointer<Float>, _ attended: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    softmaxOfQueries(qkv)
    softmaxOfKeys(qkv, rows: rows(scratch))
    for head in 0..<heads {
      let context = scratch + head * headWidth * headWidth
      MatrixProduct.compute(part(qkv, 1, head).transposed, part(qkv, 2, head), into: context, scale: scale)
      MatrixProduct.compute(
        part(qkv, 0, head), square(context), into: attended + head * headWidth, stride: hidden)
    }
  }

  func backward(
    _ qkv: UnsafeMutablePointer<Float>, attended: UnsafeMutablePointer<Float>,
    attendedGradient: UnsafeMutablePointer<Float>, qkvGradient: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    for head in 0..<heads {
      let context = scratch + head * headWidth * headWidth
      let contextGradient = context + heads * headWidth * headWidth
      let outputGradient = Matrix(
        attendedGradient + head * headWidth, rows: tokens, columns: headWidth, stride: hidden)
      // The context holds the factor 1 / sqrt(D); its gradient takes it too, for k and v.
      MatrixProduct.compute(
        part(qkv, 0, head).transposed, outputGradient, into: contextGradient, scale: scale)
      MatrixProduct.compute(
        outputGradient, square(context).transposed, into: place(qkvGradient, 0, head), stride: stride)
      MatrixProduct.compute(
        part(qkv, 2, head), square(contextGradient).transposed, into: place(qkvGradient, 1, head),
        stride: stride)
      MatrixProduct.compute(
        part(qkv, 1, head), square(contextGradient), into: place(qkvGradient, 2, head), stride: stride)
    }
    softmaxOfQueriesGradient(qkv, qkvGradient)
    softmaxOfKeysGradient(qkv, qkvGradient, row: rows(scratch))
  }

  private func rows(_ scratch: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> {
    scratch + 2 * heads * headWidth * headWidth
  }

  private func place(_ qkv: UnsafeMutablePointer<Float>, _ which: Int, _ head: Int) -> UnsafeMutablePointer<
    Float
  > {
    qkv + which * hidden + head * headWidth
  }

  private func part(_ qkv: UnsafeMutablePointer<Float>, _ which: Int, _ head: Int) -> Matrix {
    Matrix(place(qkv, which, head), rows: tokens, columns: headWidth, stride: stride)
  }

  private func square(_ context: UnsafeMutablePointer<Float>) -> Matrix {
    Matrix(context, rows: headWidth, columns: headWidth)
  }

  /// Each head of each token to a softmax over its D numbers.
  private func softmaxOfQueries(_ qkv: UnsafeMutablePointer<Float>) {
    for token in 0..<tokens {
      for head in 0..<heads {
        let q = qkv + (token &* stride &+ head &* headWidth)
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
  private func softmaxOfQueriesGradient(
    _ qkv: UnsafeMutablePointer<Float>, _ gradient: UnsafeMutablePointer<Float>
  ) {
    for token in 0..<tokens {
      for head in 0..<heads {
        let offset = token &* stride &+ head &* headWidth
        let (q, g) = (qkv + offset, gradient + offset)
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

  /// Each of the H D columns of K to a softmax over the tokens. `rows`: 2 H D floats.
  private func softmaxOfKeys(_ qkv: UnsafeMutablePointer<Float>, rows: UnsafeMutablePointer<Float>) {
    let keys = qkv + hidden
    let (largest, sum) = (rows, rows + hidden)
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
    for column in 0..<hidden { sum[column] = 1 / sum[column] }
    forEachToken { row, column in
      (Vector(from: keys + row + column) * Vector(from: sum + column)).store(to: keys + row + column)
    }
  }

  /// dK = k (dk - Σ over N of k dk). `row`: H D floats.
  private func softmaxOfKeysGradient(
    _ qkv: UnsafeMutablePointer<Float>, _ gradient: UnsafeMutablePointer<Float>,
    row sum: UnsafeMutablePointer<Float>
  ) {
    let (keys, g) = (qkv + hidden, gradient + hidden)
    sum.update(repeating: 0, count: hidden)
    forEachToken { row, column in
      Vector(from: keys + row + column).times(
        Vector(from: g + row + column), plus: Vector(from: sum + column)
      )
      .store(to: sum + column)
    }
    forEachToken { row, column in
      (Vector(from: keys + row + column) * (Vector(from: g + row + column) - Vector(from: sum + column)))
        .store(to: g + row + column)
    }
  }

  /// Calls `body` with the offset of each token's row, and each vector's column in it.
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
