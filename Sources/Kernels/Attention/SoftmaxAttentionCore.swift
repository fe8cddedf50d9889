/// softmax(Q Kᵀ / sqrt(D)) V, one block of queries at a time, so the N x N matrix is never materialised.
struct SoftmaxAttentionCore: AttentionCore, RoundingAttention {
  let tokens: Int
  let heads: Int
  let headWidth: Int
  let precision: ProductPrecision

  private let queriesPerBlock = 64

  private var block: Int { min(queriesPerBlock, tokens) }
  private var hidden: Int { heads * headWidth }
  private var scale: Float { 1 / Float(headWidth).squareRoot() }

  /// Two blocks [block, N]: probabilities, and their gradients.
  var scratchCount: Int { 2 * block * tokens }

  func forward(
    _ qkv: UnsafeMutablePointer<Float>, _ attended: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    for head in 0..<heads {
      let values = part(qkv, 2, head)
      forEachBlock { queries in
        probabilities(qkv, head, queries, into: scratch)
        product(
          Matrix(scratch, rows: queries.count, columns: tokens), values,
          into: attended + queries.lowerBound * hidden + head * headWidth, stride: hidden)
      }
    }
  }

  func backward(
    _ qkv: UnsafeMutablePointer<Float>, attended: UnsafeMutablePointer<Float>,
    attendedGradient: UnsafeMutablePointer<Float>, qkvGradient: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let stride = 3 * hidden
    let scoreGradient = scratch + block * tokens
    for head in 0..<heads {
      forEachBlock { queries in
        let isLater = queries.lowerBound > 0
        let outputGradient = Matrix(
          attendedGradient + queries.lowerBound * hidden + head * headWidth, rows: queries.count,
          columns: headWidth,
          stride: hidden)
        probabilities(qkv, head, queries, into: scratch)
        let p = Matrix(scratch, rows: queries.count, columns: tokens)
        // dV = Pᵀ dO; dP = dO Vᵀ; dS = P (dP - Σ P dP) / sqrt(D), where Σ P dP = Σ O dO.
        product(
          p.transposed, outputGradient, into: place(qkvGradient, 2, head), stride: stride,
          accumulating: isLater)
        product(outputGradient, part(qkv, 2, head).transposed, into: scoreGradient)
        for row in 0..<queries.count {
          let offset = (queries.lowerBound + row) * hidden + head * headWidth
          let dot = Reduction.dot(attended + offset, attendedGradient + offset, count: headWidth)
          softmaxGradient(
            scratch + row * tokens, dot: dot, gradient: scoreGradient + row * tokens, count: tokens)
        }
        let ds = Matrix(scoreGradient, rows: queries.count, columns: tokens)
        // dQ = dS K; dK = dSᵀ Q.
        product(
          ds, part(qkv, 1, head), into: place(qkvGradient, 0, head) + queries.lowerBound * stride,
          stride: stride)
        product(
          ds.transposed, part(qkv, 0, head).rowBlock(queries), into: place(qkvGradient, 1, head),
          stride: stride, accumulating: isLater)
      }
    }
  }

  private func forEachBlock(_ body: (Range<Int>) -> Void) {
    for start in stride(from: 0, to: tokens, by: block) { body(start..<min(start + block, tokens)) }
  }

  /// The start of the queries (0), keys (1) or values (2) of `head`.
  private func place(_ qkv: UnsafeMutablePointer<Float>, _ which: Int, _ head: Int) -> UnsafeMutablePointer<
    Float
  > {
    qkv + which * hidden + head * headWidth
  }

  private func part(_ qkv: UnsafeMutablePointer<Float>, _ which: Int, _ head: Int) -> Matrix {
    Matrix(place(qkv, which, head), rows: tokens, columns: headWidth, stride: 3 * hidden)
  }

  /// softmax(Q Kᵀ / sqrt(D)) for a block of queries: [queries, N].
  private func probabilities(
    _ qkv: UnsafeMutablePointer<Float>, _ head: Int, _ queries: Range<Int>,
    into p: UnsafeMutablePointer<Float>
  ) {
    product(part(qkv, 0, head).rowBlock(queries), part(qkv, 1, head).transposed, into: p)
    for row in 0..<queries.count { softmax(p + row * tokens, count: tokens) }
  }

  /// Replaces products of queries and keys with the softmax of the scores.
  private func softmax(_ row: UnsafeMutablePointer<Float>, count: Int) {
    let scale = Vector(repeating: scale)
    var largest = Vector(repeating: -.infinity)
    forEachVector(count) { index in
      largest = largest.larger(Vector(from: row + index))
    } rest: { index, rest in
      largest = largest.larger(Vector(from: row + index, count: rest, fill: -.infinity))
    }
    let maximum = Vector(repeating: largest.largest)
    var sum = Vector(repeating: 0)
    forEachVector(count) { index in
      let e = ((Vector(from: row + index) - maximum) * scale).exponential
      e.store(to: row + index)
      sum += e
    } rest: { index, rest in
      let e = ((Vector(from: row + index, count: rest) - maximum) * scale).exponential
      e.store(to: row + index, count: rest)
      for lane in 0..<rest { sum[lane] += e[lane] }
    }
    let inverse = 1 / sum.total
    forEachVector(count) { index in
      (Vector(from: row + index) * Vector(repeating: inverse)).store(to: row + index)
    } rest: { index, rest in
      for lane in index..<index + rest { row[lane] *= inverse }
    }
  }

  /// gradient = p (gradient - dot) / sqrt(D).
  private func softmaxGradient(
    _ p: UnsafePointer<Float>, dot: Float, gradient: UnsafeMutablePointer<Float>, count: Int
  ) {
    let scale = scale
    forEachVector(count) { index in
      let p = Vector(from: p + index) * Vector(repeating: scale)
      (p * (Vector(from: gradient + index) - Vector(repeating: dot))).store(to: gradient + index)
    } rest: { index, rest in
      for lane in index..<index + rest { gradient[lane] = p[lane] * scale * (gradient[lane] - dot) }
    }
  }
}
