/// Linear attention for images that are too large for one task: `FoldedLinearAttention`, parallel over pieces of an
/// image's tokens.
///
/// The keys' softmax over all tokens, and other sums over tokens, are combined from those of the pieces, in order.
/// Symbols and layouts are those of `FoldedLinearAttention`; P is the total number of pieces.
struct PiecewiseLinearAttention: FoldingAttention {
  let batch: Int
  let tokens: Int
  let channels: Int
  let heads: Int
  let headWidth: Int
  let precision: ProductPrecision
  private let pieces: TokenPieces

  /// Queries, keys and their gradients of this many tokens fill half a megabyte if H D is 128.
  private static let tokensPerPiece = 256
  /// Images with at least this many floats are split into pieces.
  private static let large = 262_144
  /// The maximal number of partial sums of the weights' gradients.
  private static let mostSums = 16

  /// nil for images that are small enough for a single task.
  init?(_ attention: SelfAttention) {
    guard
      attention.kind == .linear, attention.tokens > attention.channels,
      attention.tokens * attention.channels >= Self.large
    else { return nil }
    batch = attention.batch
    tokens = attention.tokens
    channels = attention.channels
    heads = attention.heads
    headWidth = attention.headWidth
    precision = attention.precision.of(inputs: attention.channels, outputs: attention.hiddenWidth)
    pieces = TokenPieces(batch: batch, tokens: tokens, size: Self.tokensPerPiece)
  }

  private var hidden: Int { heads * headWidth }
  private var scale: Float { 1 / Float(headWidth).squareRoot() }
  /// Floats of a matrix [H D, C].
  private var size: Int { hidden * channels }

  private func softmax(_ tokens: Int) -> TokenSoftmax {
    TokenSoftmax(tokens: tokens, heads: heads, headWidth: headWidth, stride: 2 * hidden)
  }

  // MARK: Memory

  /// The results of the pieces, and what is combined from them.
  private struct Memory {
    /// For each piece, the largest key of each column and the sum of exponentials, [P, 2, H D].
    let keySums: UnsafeMutablePointer<Float>
    /// For each piece, Σ exp(K - largest)ᵀ x, [P, H D, C].
    let keyed: UnsafeMutablePointer<Float>
    /// For each image, the largest key of each column and the inverse of the sum of exponentials, [B, 2, H D].
    let keyScales: UnsafeMutablePointer<Float>
    /// For each image, the matrix that maps q to y, [B, H D, C].
    let folded: UnsafeMutablePointer<Float>
    /// For each head in progress, kᵀ x [D, C] and context [D, D].
    let ofHeads: UnsafeMutablePointer<Float>
    let end: UnsafeMutablePointer<Float>

    init(_ a: PiecewiseLinearAttention, _ memory: UnsafeMutablePointer<Float>) {
      keySums = memory
      keyed = keySums + a.pieces.count * 2 * a.hidden
      keyScales = keyed + a.pieces.count * a.size
      folded = keyScales + a.batch * 2 * a.hidden
      ofHeads = folded + a.batch * a.size
      end = ofHeads + a.size + a.hidden * a.headWidth
    }

    static func count(_ a: PiecewiseLinearAttention) -> Int {
      (a.pieces.count + a.batch) * (2 * a.hidden + a.size) + a.size + a.hidden * a.headWidth
    }
  }

  /// Additional memory for the backward pass.
  private struct BackwardMemory {
    /// For each piece, qᵀ dy, [P, H D, C].
    let queried: UnsafeMutablePointer<Float>
    /// For each image, dcontext Wvᵀ, which maps x to dk, [B, H D, C].
    let keyWay: UnsafeMutablePointer<Float>
    /// For each image, Σ over N of k dk, [B, H D].
    let keyDots: UnsafeMutablePointer<Float>
    /// For each head in progress, qᵀ dy [D, C], dcontext [D, D], Woutᵀ [C, D] and Wvᵀ [D, C].
    let ofHeads: UnsafeMutablePointer<Float>
    /// Partial sums of dWqk, [sums, C, 2 H D].
    let sums: UnsafeMutablePointer<Float>

    init(_ a: PiecewiseLinearAttention, _ memory: UnsafeMutablePointer<Float>) {
      queried = memory
      keyWay = queried + a.pieces.count * a.size
      keyDots = keyWay + a.batch * a.size
      ofHeads = keyDots + a.batch * a.hidden
      sums = ofHeads + 3 * a.size + a.hidden * a.headWidth
    }

    static func count(_ a: PiecewiseLinearAttention) -> Int {
      (a.pieces.count + a.batch + 3 + 2 * mostSums) * a.size + a.hidden * (a.batch + a.headWidth)
    }
  }

  // MARK: Forward and backward passes

  func forward(
    _ x: UnsafePointer<Float>, _ weights: FoldedLinearAttention.Weights, bias: UnsafePointer<Float>,
    output: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let (c, hidden) = (channels, hidden)
    let memory = Memory(self, pool.workspace(Memory.count(self)))
    pool.parallel(pieces.count) { index, worker in
      let rows = pieces.piece(index).rows
      let qk = pool.scratch(rows.count * 2 * hidden, worker: worker)
      product(
        Matrix(x + rows.lowerBound * c, rows: rows.count, columns: c),
        Matrix(weights.qkv + hidden, rows: c, columns: hidden, stride: 3 * hidden), into: qk + hidden,
        stride: 2 * hidden)
      sumKeys(x, qk, index, rows, memory)
    }
    pool.parallel(heads) { head, _ in
      for image in 0..<batch { fold(weights, head: head, image: image, memory) }
    }
    pool.parallel(pieces.count) { index, worker in
      let (image, rows) = pieces.piece(index)
      let q = pool.scratch(rows.count * 2 * hidden, worker: worker)
      product(
        Matrix(x + rows.lowerBound * c, rows: rows.count, columns: c),
        Matrix(weights.qkv, rows: c, columns: hidden, stride: 3 * hidden), into: q, stride: 2 * hidden)
      softmax(rows.count).ofQueries(q)
      let target = output + rows.lowerBound * c
      Elementwise.fillRows(target, rows: rows.count, stride: c, with: bias, count: c)
      product(
        Matrix(q, rows: rows.count, columns: hidden, stride: 2 * hidden),
        Matrix(memory.folded + image * size, rows: hidden, columns: c), into: target, accumulating: true)
    }
  }

  /// Writes dx and accumulates the weights' gradients.
  func backward(
    _ x: UnsafePointer<Float>, _ weights: FoldedLinearAttention.Weights, outputGradient: UnsafePointer<Float>,
    inputGradient: UnsafeMutablePointer<Float>, qkvGradient: GradientSum?,
    outputWeightGradient: GradientSum?, pool: ThreadPool
  ) {
    let (c, hidden) = (channels, hidden)
    let memory = Memory(self, pool.workspace(Memory.count(self) + BackwardMemory.count(self)))
    let back = BackwardMemory(self, memory.end)
    pool.parallel(pieces.count) { index, worker in
      let rows = pieces.piece(index).rows
      let qk = pool.scratch(rows.count * 2 * hidden, worker: worker)
      project(x, weights, rows, into: qk)
      softmax(rows.count).ofQueries(qk)
      sumKeys(x, qk, index, rows, memory)
      product(
        half(qk, 0, rows.count).transposed,
        Matrix(outputGradient + rows.lowerBound * c, rows: rows.count, columns: c),
        into: back.queried + index * size)
    }
    pool.parallel(heads) { head, _ in
      for image in 0..<batch {
        fold(weights, head: head, image: image, memory)
        foldBack(
          weights, head: head, image: image, memory, back, qkvGradient: qkvGradient,
          outputWeightGradient: outputWeightGradient)
      }
    }

    let sums = min(Self.mostSums, pieces.count)
    let piecesPerSum = (pieces.count + sums - 1) / sums
    pool.parallelPieces(pieces.count, of: piecesPerSum) { some, worker in
      let scratch = pool.scratch(Self.tokensPerPiece * 4 * hidden, worker: worker)
      let sum = back.sums + some.lowerBound / piecesPerSum * 2 * size
      for index in some {
        let (image, rows) = pieces.piece(index)
        gradients(
          x, weights, outputGradient, image: image, rows, memory, back, inputGradient: inputGradient,
          sum: sum, accumulating: index > some.lowerBound, scratch: scratch)
      }
    }
    guard let qkvGradient else { return }
    let usedSums = (pieces.count + piecesPerSum - 1) / piecesPerSum
    pool.parallel(c) { channel, _ in
      let target = qkvGradient.memory + channel * 3 * hidden
      if !qkvGradient.isBegun { target.update(repeating: 0, count: 2 * hidden) }
      for sum in 0..<usedSums {
        Reduction.add(back.sums + (sum * c + channel) * 2 * hidden, to: target, count: 2 * hidden)
      }
    }
  }

  // MARK: Pieces

  /// Computes Q and K of a piece: [rows, 2 H D].
  private func project(
    _ x: UnsafePointer<Float>, _ weights: FoldedLinearAttention.Weights, _ rows: Range<Int>,
    into qk: UnsafeMutablePointer<Float>
  ) {
    product(
      Matrix(x + rows.lowerBound * channels, rows: rows.count, columns: channels),
      Matrix(weights.qkv, rows: channels, columns: 2 * hidden, stride: 3 * hidden), into: qk)
  }

  private func half(_ qk: UnsafeMutablePointer<Float>, _ which: Int, _ rows: Int) -> Matrix {
    Matrix(qk + which * hidden, rows: rows, columns: hidden, stride: 2 * hidden)
  }

  /// Computes a piece's contribution to kᵀ x, replacing its keys by their exponentials.
  private func sumKeys(
    _ x: UnsafePointer<Float>, _ qk: UnsafeMutablePointer<Float>, _ index: Int, _ rows: Range<Int>,
    _ memory: Memory
  ) {
    let largest = memory.keySums + index * 2 * hidden
    softmax(rows.count).exponentialsOfKeys(qk, largest: largest, sums: largest + hidden)
    product(
      half(qk, 1, rows.count).transposed,
      Matrix(x + rows.lowerBound * channels, rows: rows.count, columns: channels),
      into: memory.keyed + index * size)
  }

  private func gradients(
    _ x: UnsafePointer<Float>, _ weights: FoldedLinearAttention.Weights,
    _ outputGradient: UnsafePointer<Float>, image: Int, _ rows: Range<Int>, _ memory: Memory,
    _ back: BackwardMemory, inputGradient: UnsafeMutablePointer<Float>, sum: UnsafeMutablePointer<Float>,
    accumulating: Bool, scratch: UnsafeMutablePointer<Float>
  ) {
    let (c, hidden) = (channels, hidden)
    let (qk, qkGradient) = (scratch, scratch + rows.count * 2 * hidden)
    let source = Matrix(x + rows.lowerBound * c, rows: rows.count, columns: c)
    let dy = Matrix(outputGradient + rows.lowerBound * c, rows: rows.count, columns: c)
    let keyScales = memory.keyScales + image * 2 * hidden
    let keyWay = Matrix(back.keyWay + image * size, rows: hidden, columns: c)
    let softmax = softmax(rows.count)
    project(x, weights, rows, into: qk)
    softmax.ofQueries(qk)
    softmax.keys(qk, largest: keyScales, factors: keyScales + hidden)
    // dq = dy foldedᵀ; dk = x (dcontext Wvᵀ)ᵀ.
    product(
      dy, Matrix(memory.folded + image * size, rows: hidden, columns: c).transposed, into: qkGradient,
      stride: 2 * hidden)
    product(source, keyWay.transposed, into: qkGradient + hidden, stride: 2 * hidden)
    softmax.ofQueriesGradient(qk, qkGradient)
    softmax.ofKeysGradient(qk, qkGradient, dots: back.keyDots + image * hidden)
    let gradient = Matrix(qkGradient, rows: rows.count, columns: 2 * hidden)
    product(source.transposed, gradient, into: sum, accumulating: accumulating)
    let target = inputGradient + rows.lowerBound * c
    product(
      gradient, Matrix(weights.qkv, rows: c, columns: 2 * hidden, stride: 3 * hidden).transposed, into: target
    )
    product(half(qk, 1, rows.count), keyWay, into: target, accumulating: true)
  }

  // MARK: Heads

  /// Combines kᵀ x of one head from its pieces, and computes its context and folded matrix.
  private func fold(_ weights: FoldedLinearAttention.Weights, head: Int, image: Int, _ memory: Memory) {
    let (c, d, hidden) = (channels, headWidth, hidden)
    let keyed = memory.ofHeads + head * d * c
    let context = memory.ofHeads + size + head * d * d
    let keyScales = memory.keyScales + image * 2 * hidden
    for column in head * d..<(head + 1) * d {
      let row = keyed + (column - head * d) * c
      let own = pieces.pieces(of: image)
      let largest = own.reduce(-Float.infinity) { max($0, memory.keySums[$1 * 2 * hidden + column]) }
      var sum: Float = 0
      row.update(repeating: 0, count: c)
      for piece in own {
        let keySums = memory.keySums + piece * 2 * hidden
        let factor = Vector(repeating: keySums[column] - largest).exponential[0]
        sum += factor * keySums[hidden + column]
        Self.add(memory.keyed + (piece * hidden + column) * c, times: factor, to: row, count: c)
      }
      Self.scale(row, by: 1 / sum, count: c)
      keyScales[column] = largest
      keyScales[hidden + column] = 1 / sum
    }
    MatrixProduct.compute(
      Matrix(keyed, rows: d, columns: c),
      Matrix(weights.qkv + 2 * hidden + head * d, rows: c, columns: d, stride: 3 * hidden), into: context,
      scale: scale)
    MatrixProduct.compute(
      Matrix(context, rows: d, columns: d), Matrix(weights.output + head * d * c, rows: d, columns: c),
      into: memory.folded + image * size + head * d * c)
  }

  /// Computes the gradients of one head's context and weights, after `fold`.
  private func foldBack(
    _ weights: FoldedLinearAttention.Weights, head: Int, image: Int, _ memory: Memory, _ back: BackwardMemory,
    qkvGradient: GradientSum?, outputWeightGradient: GradientSum?
  ) {
    let (c, d, hidden) = (channels, headWidth, hidden)
    let keyed = memory.ofHeads + head * d * c
    let context = Matrix(memory.ofHeads + size + head * d * d, rows: d, columns: d)
    let queriedSum = back.ofHeads + head * d * c
    let contextGradient = back.ofHeads + 3 * size + head * d * d
    queriedSum.update(repeating: 0, count: d * c)
    for piece in pieces.pieces(of: image) {
      Reduction.add(back.queried + (piece * hidden + head * d) * c, to: queriedSum, count: d * c)
    }
    let queried = Matrix(queriedSum, rows: d, columns: c)
    // dWout = contextᵀ qᵀ dy; dcontext = qᵀ dy Woutᵀ, including the factor s for the gradients that follow from it.
    if let outputWeightGradient {
      MatrixProduct.compute(
        context.transposed, queried, into: outputWeightGradient.memory + head * d * c,
        accumulating: outputWeightGradient.isBegun || image > 0)
    }
    MatrixProduct.compute(
      queried, Matrix(weights.output + head * d * c, rows: d, columns: c).transposed, into: contextGradient,
      scale: scale)
    let gradient = Matrix(contextGradient, rows: d, columns: d)
    // dWv = (kᵀ x)ᵀ dcontext.
    if let qkvGradient {
      MatrixProduct.compute(
        Matrix(keyed, rows: d, columns: c).transposed, gradient,
        into: qkvGradient.memory + 2 * hidden + head * d, stride: 3 * hidden,
        accumulating: qkvGradient.isBegun || image > 0)
    }
    let keyWay = back.keyWay + image * size + head * d * c
    MatrixProduct.compute(
      gradient,
      Matrix(weights.qkv + 2 * hidden + head * d, rows: c, columns: d, stride: 3 * hidden).transposed,
      into: keyWay)
    // Σ over N of k dk, with dk = x (dcontext Wvᵀ)ᵀ.
    for row in 0..<d {
      back.keyDots[image * hidden + head * d + row] = Reduction.dot(
        keyed + row * c, keyWay + row * c, count: c)
    }
  }

  @inline(__always)
  private static func add(
    _ values: UnsafePointer<Float>, times factor: Float, to sum: UnsafeMutablePointer<Float>, count: Int
  ) {
    forEachVector(count) { index in
      Vector(from: values + index).times(Vector(repeating: factor), plus: Vector(from: sum + index))
        .store(to: sum + index)
    } rest: { index, rest in
      for lane in index..<index &+ rest { sum[lane] += factor * values[lane] }
    }
  }

  @inline(__always)
  private static func scale(_ values: UnsafeMutablePointer<Float>, by factor: Float, count: Int) {
    for index in 0..<count { values[index] *= factor }
  }
}
