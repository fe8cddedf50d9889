/// Linear attention for images with more tokens than channels, which never computes the tokens' values V.
///
/// For an image x [N, C], with s = 1 / sqrt(D), and for each head q, k [N, D] after their softmax, Wv [C, D] and Wout
/// [D, C]: y = q (s (kᵀ x) Wv) Wout + bias. q is multiplied by a matrix [D, C] whose factors are all small except for
/// kᵀ x, whereas values and attended values would be [N, D] per head. The same holds for the backward pass.
struct FoldedLinearAttention: FoldingAttention {
  let batch: Int
  let tokens: Int
  let channels: Int
  let heads: Int
  let headWidth: Int
  let precision: ProductPrecision

  /// nil if folding does not make the matrices smaller.
  init?(_ attention: SelfAttention) {
    guard attention.kind == .linear, attention.tokens > attention.channels else { return nil }
    batch = attention.batch
    tokens = attention.tokens
    channels = attention.channels
    heads = attention.heads
    headWidth = attention.headWidth
    precision = attention.precision.of(inputs: attention.channels, outputs: attention.hiddenWidth)
  }

  private var hidden: Int { heads * headWidth }
  private var scale: Float { 1 / Float(headWidth).squareRoot() }
  private var softmax: TokenSoftmax {
    TokenSoftmax(tokens: tokens, heads: heads, headWidth: headWidth, stride: 2 * hidden)
  }

  /// The projection weights, shared by all images.
  struct Weights {
    /// [C, 3 H D].
    let qkv: UnsafePointer<Float>
    /// [H D, C].
    let output: UnsafePointer<Float>
  }

  /// The transposed weights, for the backward pass.
  private struct TransposedWeights {
    /// [3 H D, C].
    let qkv: UnsafePointer<Float>
    /// [C, H D].
    let output: UnsafePointer<Float>

    /// The size in floats.
    static func count(_ attention: FoldedLinearAttention) -> Int { 4 * attention.hidden * attention.channels }

    init(_ attention: FoldedLinearAttention, _ weights: Weights, memory: UnsafeMutablePointer<Float>) {
      let (c, hidden) = (attention.channels, attention.hidden)
      Transposition.write(
        weights.qkv, rows: c, columns: 3 * hidden, stride: 3 * hidden, to: memory, stride: c)
      let output = memory + 3 * hidden * c
      Transposition.write(weights.output, rows: hidden, columns: c, stride: c, to: output, stride: hidden)
      qkv = UnsafePointer(memory)
      self.output = UnsafePointer(output)
    }
  }

  /// A worker's memory for one image.
  private struct Memory {
    /// [N, 2 H D]: Q and K, then q and k.
    let qk: UnsafeMutablePointer<Float>
    /// kᵀ x, [H D, C].
    let keyed: UnsafeMutablePointer<Float>
    /// s kᵀ x Wv, for each head [D, D].
    let context: UnsafeMutablePointer<Float>
    /// context Wout, [H D, C].
    let folded: UnsafeMutablePointer<Float>
    /// Two rows [H D].
    let rows: UnsafeMutablePointer<Float>
    let end: UnsafeMutablePointer<Float>

    init(_ attention: FoldedLinearAttention, _ memory: UnsafeMutablePointer<Float>) {
      let (c, hidden) = (attention.channels, attention.hidden)
      qk = memory
      keyed = qk + attention.tokens * 2 * hidden
      context = keyed + hidden * c
      folded = context + hidden * attention.headWidth
      rows = folded + hidden * c
      end = rows + 2 * hidden
    }
  }

  /// The additional memory for one image in the backward pass.
  private struct BackwardMemory {
    /// [N, 2 H D].
    let qkGradient: UnsafeMutablePointer<Float>
    /// qᵀ dy, then dcontext Wvᵀ, [H D, C].
    let queried: UnsafeMutablePointer<Float>
    /// For each head [D, D].
    let contextGradient: UnsafeMutablePointer<Float>
    /// A transpose, [C, H D].
    let transposed: UnsafeMutablePointer<Float>

    init(_ attention: FoldedLinearAttention, _ memory: UnsafeMutablePointer<Float>) {
      let (c, hidden) = (attention.channels, attention.hidden)
      qkGradient = memory
      queried = qkGradient + attention.tokens * 2 * hidden
      contextGradient = queried + hidden * c
      transposed = contextGradient + hidden * attention.headWidth
    }
  }

  private var forwardScratchCount: Int {
    let (c, hidden) = (channels, hidden)
    return tokens * 2 * hidden + 2 * hidden * c + hidden * headWidth + 2 * hidden
  }

  private var backwardScratchCount: Int {
    forwardScratchCount + tokens * 2 * hidden + 2 * hidden * channels + hidden * headWidth
  }

  /// Writes y; each task processes one image.
  func forward(
    _ x: UnsafePointer<Float>, _ weights: Weights, bias: UnsafePointer<Float>,
    output: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let size = tokens * channels
    pool.parallel(batch) { image, worker in
      forwardImage(
        x + image * size, weights, bias: bias, output: output + image * size,
        scratch: pool.scratch(forwardScratchCount, worker: worker))
    }
  }

  /// Writes dx, and accumulates the weights' gradients: each task sums over a fixed piece of the batch, and the pieces
  /// are added in order.
  func backward(
    _ x: UnsafePointer<Float>, _ weights: Weights, outputGradient: UnsafePointer<Float>,
    inputGradient: UnsafeMutablePointer<Float>, qkvGradient: GradientSum?,
    outputWeightGradient: GradientSum?, pool: ThreadPool
  ) {
    let size = tokens * channels
    let (qkvCount, outputCount) = (channels * 3 * hidden, hidden * channels)
    let imagesPerPiece = (batch + 7) / 8
    let pieces = (batch + imagesPerPiece - 1) / imagesPerPiece
    let qkvPartial = pool.workspace(pieces * (qkvCount + outputCount) + TransposedWeights.count(self))
    let outputPartial = qkvPartial + pieces * qkvCount
    let transposed = TransposedWeights(self, weights, memory: outputPartial + pieces * outputCount)
    pool.parallelPieces(batch, of: imagesPerPiece) { images, worker in
      let piece = images.lowerBound / imagesPerPiece
      for image in images {
        backwardImage(
          x + image * size, weights, transposed, outputGradient: outputGradient + image * size,
          inputGradient: inputGradient + image * size, qkvGradient: qkvPartial + piece * qkvCount,
          outputWeightGradient: outputPartial + piece * outputCount, accumulating: image > images.lowerBound,
          scratch: pool.scratch(backwardScratchCount, worker: worker))
      }
    }
    if let qkvGradient {
      Reduction.addPieces(qkvPartial, pieces: pieces, count: qkvCount, to: qkvGradient, pool: pool)
    }
    if let outputWeightGradient {
      Reduction.addPieces(
        outputPartial, pieces: pieces, count: outputCount, to: outputWeightGradient, pool: pool)
    }
  }

  /// Computes y for one image on the calling thread.
  private func forwardImage(
    _ x: UnsafePointer<Float>, _ weights: Weights, bias: UnsafePointer<Float>,
    output: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
  ) {
    let memory = Memory(self, scratch)
    fold(x, weights, memory)
    Elementwise.fillRows(output, rows: tokens, stride: channels, with: bias, count: channels)
    product(
      half(memory.qk, 0), Matrix(memory.folded, rows: hidden, columns: channels), into: output,
      accumulating: true)
  }

  /// Computes dx for one image on the calling thread, and writes or accumulates the weights' gradients.
  private func backwardImage(
    _ x: UnsafePointer<Float>, _ weights: Weights, _ transposedWeights: TransposedWeights,
    outputGradient: UnsafePointer<Float>, inputGradient: UnsafeMutablePointer<Float>,
    qkvGradient: UnsafeMutablePointer<Float>, outputWeightGradient: UnsafeMutablePointer<Float>,
    accumulating: Bool, scratch: UnsafeMutablePointer<Float>
  ) {
    let (c, hidden, d) = (channels, hidden, headWidth)
    let memory = Memory(self, scratch)
    let back = BackwardMemory(self, memory.end)
    let image = Matrix(x, rows: tokens, columns: c)
    let dy = Matrix(outputGradient, rows: tokens, columns: c)
    fold(x, weights, memory)

    // dq = dy foldedᵀ.
    Transposition.write(
      memory.folded, rows: hidden, columns: c, stride: c, to: back.transposed, stride: hidden)
    product(
      dy, Matrix(back.transposed, rows: c, columns: hidden), into: back.qkGradient, stride: 2 * hidden)

    product(half(memory.qk, 0).transposed, dy, into: back.queried)
    for head in 0..<heads {
      let (context, contextGradient) = (memory.context + head * d * d, back.contextGradient + head * d * d)
      let queried = Matrix(back.queried + head * d * c, rows: d, columns: c)
      // dWout = contextᵀ qᵀ dy.
      MatrixProduct.compute(
        Matrix(context, rows: d, columns: d).transposed, queried, into: outputWeightGradient + head * d * c,
        accumulating: accumulating)
      // dcontext = qᵀ dy Woutᵀ, including the factor s for the gradients that follow from it.
      MatrixProduct.compute(
        queried, Matrix(transposedWeights.output + head * d, rows: c, columns: d, stride: hidden),
        into: contextGradient)
      for index in 0..<d * d { contextGradient[index] *= scale }
      let gradient = Matrix(contextGradient, rows: d, columns: d)
      // dWv = (kᵀ x)ᵀ dcontext.
      MatrixProduct.compute(
        Matrix(memory.keyed + head * d * c, rows: d, columns: c).transposed, gradient,
        into: qkvGradient + 2 * hidden + head * d, stride: 3 * hidden, accumulating: accumulating)
      MatrixProduct.compute(
        gradient, Matrix(transposedWeights.qkv + (2 * hidden + head * d) * c, rows: d, columns: c),
        into: back.queried + head * d * c)
    }

    // dk = x (dcontext Wvᵀ)ᵀ.
    Transposition.write(
      back.queried, rows: hidden, columns: c, stride: c, to: back.transposed, stride: hidden)
    product(
      image, Matrix(back.transposed, rows: c, columns: hidden), into: back.qkGradient + hidden,
      stride: 2 * hidden)
    softmax.ofQueriesGradient(memory.qk, back.qkGradient)
    softmax.ofKeysGradient(memory.qk, back.qkGradient, row: memory.rows)

    let qkGradient = Matrix(back.qkGradient, rows: tokens, columns: 2 * hidden)
    product(
      image.transposed, qkGradient, into: qkvGradient, stride: 3 * hidden, accumulating: accumulating)
    product(
      qkGradient, Matrix(transposedWeights.qkv, rows: 2 * hidden, columns: c), into: inputGradient)
    product(
      half(memory.qk, 1), Matrix(back.queried, rows: hidden, columns: c), into: inputGradient,
      accumulating: true)
  }

  /// Computes q, k and all intermediates up to `folded`.
  private func fold(_ x: UnsafePointer<Float>, _ weights: Weights, _ memory: Memory) {
    let (c, d) = (channels, headWidth)
    let image = Matrix(x, rows: tokens, columns: c)
    product(
      image, Matrix(weights.qkv, rows: c, columns: 2 * hidden, stride: 3 * hidden), into: memory.qk)
    softmax.ofQueries(memory.qk)
    softmax.ofKeys(memory.qk, rows: memory.rows)
    product(half(memory.qk, 1).transposed, image, into: memory.keyed)
    for head in 0..<heads {
      let context = memory.context + head * d * d
      MatrixProduct.compute(
        Matrix(memory.keyed + head * d * c, rows: d, columns: c),
        Matrix(weights.qkv + 2 * hidden + head * d, rows: c, columns: d, stride: 3 * hidden), into: context)
      for index in 0..<d * d { context[index] *= scale }
      MatrixProduct.compute(
        Matrix(context, rows: d, columns: d), Matrix(weights.output + head * d * c, rows: d, columns: c),
        into: memory.folded + head * d * c)
    }
  }

  /// q (0) or k (1) of all heads.
  private func half(_ qk: UnsafeMutablePointer<Float>, _ which: Int) -> Matrix {
    Matrix(qk + which * hidden, rows: tokens, columns: hidden, stride: 2 * hidden)
  }
}
