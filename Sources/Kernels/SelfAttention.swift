/// Multi-head self-attention of an image's pixels with its projections, an image at a time: queries, keys and values
/// are computed in cache, used, and computed again in the backward pass, so that they never go to memory.
///
/// y = attend(x Wqkv) Wout + bias. Layouts: x, y [B, N, C]; Wqkv [C, 3 H D] (queries, keys, values; in each the
/// heads one after the other); Wout [H D, C]; bias [C]. H heads of D numbers, N tokens.
public struct SelfAttention: Hashable, Sendable {
  public enum Kind: Sendable {
    /// softmax(Q Kᵀ / sqrt(D)) V (Vaswani et al., 2017).
    case softmax
    /// softmax over D of Q, times (softmax over N of K)ᵀ V / sqrt(D): linear in N (Shen et al., 2018).
    case linear
  }

  public let kind: Kind
  public let batch: Int
  public let tokens: Int
  public let channels: Int
  public let heads: Int
  public let headWidth: Int

  public init(kind: Kind, batch: Int, tokens: Int, channels: Int, heads: Int, headWidth: Int) {
    precondition(
      headWidth % Vector.width == 0 && batch > 0 && tokens > 0 && heads > 0,
      "\(heads) heads of \(headWidth): a head must be a multiple of \(Vector.width) wide")
    self.kind = kind
    self.batch = batch
    self.tokens = tokens
    self.channels = channels
    self.heads = heads
    self.headWidth = headWidth
  }

  /// H D: the width of the queries.
  public var hiddenWidth: Int { heads * headWidth }

  private var core: any AttentionCore {
    switch kind {
    case .softmax: SoftmaxAttentionCore(tokens: tokens, heads: heads, headWidth: headWidth)
    case .linear: LinearAttentionCore(tokens: tokens, heads: heads, headWidth: headWidth)
    }
  }

  public func forward(
    _ x: UnsafePointer<Float>, qkvWeights: UnsafePointer<Float>, outputWeights: UnsafePointer<Float>,
    bias: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let (n, c, hidden) = (tokens, channels, hiddenWidth)
    if let piecewise = PiecewiseLinearAttention(self) {
      piecewise.forward(
        x, FoldedLinearAttention.Weights(qkv: qkvWeights, output: outputWeights), bias: bias, output: output,
        pool: pool)
      return
    }
    if let folded = FoldedLinearAttention(self) {
      let weights = FoldedLinearAttention.Weights(qkv: qkvWeights, output: outputWeights)
      pool.parallel(batch) { image, worker in
        folded.forward(
          x + image * n * c, weights, bias: bias, output: output + image * n * c,
          scratch: pool.scratch(folded.forwardScratchCount, worker: worker))
      }
      return
    }
    let core = core
    pool.parallel(batch) { image, worker in
      let qkv = pool.scratch(n * 4 * hidden + core.scratchCount, worker: worker)
      let attended = qkv + n * 3 * hidden
      MatrixProduct.compute(
        Matrix(x + image * n * c, rows: n, columns: c), Matrix(qkvWeights, rows: c, columns: 3 * hidden),
        into: qkv)
      core.forward(qkv, attended, scratch: attended + n * hidden)
      let target = output + image * n * c
      Elementwise.fillRows(target, rows: n, stride: c, with: bias, count: c)
      MatrixProduct.compute(
        Matrix(attended, rows: n, columns: hidden), Matrix(outputWeights, rows: hidden, columns: c),
        into: target,
        accumulating: true)
    }
  }

  /// Writes dx; adds the gradients of the weights and of the bias, unless they are nil.
  public func backward(
    _ x: UnsafePointer<Float>, qkvWeights: UnsafePointer<Float>, outputWeights: UnsafePointer<Float>,
    outputGradient: UnsafePointer<Float>, inputGradient: UnsafeMutablePointer<Float>,
    qkvGradient: GradientSum?, outputWeightGradient: GradientSum?,
    biasGradient: UnsafeMutablePointer<Float>?, pool: ThreadPool
  ) {
    if let biasGradient {
      Reduction.addColumnSums(
        outputGradient, rows: batch * tokens, columns: channels, to: biasGradient, pool: pool)
    }
    if let piecewise = PiecewiseLinearAttention(self) {
      piecewise.backward(
        x, FoldedLinearAttention.Weights(qkv: qkvWeights, output: outputWeights),
        outputGradient: outputGradient, inputGradient: inputGradient, qkvGradient: qkvGradient,
        outputWeightGradient: outputWeightGradient, pool: pool)
      return
    }
    let (n, c, hidden) = (tokens, channels, hiddenWidth)
    let core = core
    let qkvCount = c * 3 * hidden
    let outputCount = hidden * c
    // Weights' gradients are summed over fixed pieces of the batch; the pieces are added in their order.
    let imagesPerPiece = (batch + 7) / 8
    let pieces = (batch + imagesPerPiece - 1) / imagesPerPiece
    let folded = FoldedLinearAttention(self)
    let qkvPartial = pool.workspace(
      pieces * (qkvCount + outputCount) + (folded.map(FoldedLinearAttention.TransposedWeights.count) ?? 0))
    let outputPartial = qkvPartial + pieces * qkvCount

    if let folded {
      let weights = FoldedLinearAttention.Weights(qkv: qkvWeights, output: outputWeights)
      let transposed = FoldedLinearAttention.TransposedWeights(
        folded, weights, memory: outputPartial + pieces * outputCount)
      pool.parallelPieces(batch, of: imagesPerPiece) { images, worker in
        let piece = images.lowerBound / imagesPerPiece
        for image in images {
          folded.backward(
            x + image * n * c, weights, transposed, outputGradient: outputGradient + image * n * c,
            inputGradient: inputGradient + image * n * c, qkvGradient: qkvPartial + piece * qkvCount,
            outputWeightGradient: outputPartial + piece * outputCount,
            accumulating: image > images.lowerBound,
            scratch: pool.scratch(folded.backwardScratchCount, worker: worker))
        }
      }
    } else {
      pool.parallelPieces(batch, of: imagesPerPiece) { images, worker in
        let piece = images.lowerBound / imagesPerPiece
        let qkv = pool.scratch(n * 8 * hidden + core.scratchCount, worker: worker)
        let attended = qkv + n * 3 * hidden
        let qkvGradients = attended + n * hidden
        let attendedGradient = qkvGradients + n * 3 * hidden
        let scratch = attendedGradient + n * hidden
        for image in images {
          let isLater = image > images.lowerBound
          let source = Matrix(x + image * n * c, rows: n, columns: c)
          let dy = Matrix(outputGradient + image * n * c, rows: n, columns: c)
          MatrixProduct.compute(source, Matrix(qkvWeights, rows: c, columns: 3 * hidden), into: qkv)
          core.forward(qkv, attended, scratch: scratch)
          MatrixProduct.compute(
            dy, Matrix(outputWeights, rows: hidden, columns: c).transposed, into: attendedGradient)
          MatrixProduct.compute(
            Matrix(attended, rows: n, columns: hidden).transposed, dy,
            into: outputPartial + piece * outputCount,
            accumulating: isLater)
          core.backward(
            qkv, attended: attended, attendedGradient: attendedGradient, qkvGradient: qkvGradients,
            scratch: scratch)
          let gradient = Matrix(qkvGradients, rows: n, columns: 3 * hidden)
          MatrixProduct.compute(
            source.transposed, gradient, into: qkvPartial + piece * qkvCount, accumulating: isLater)
          MatrixProduct.compute(
            gradient, Matrix(qkvWeights, rows: c, columns: 3 * hidden).transposed,
            into: inputGradient + image * n * c)
        }
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
}

/// What attention does between its projections, for one image on one thread.
///
/// Layouts: qkv and its gradient [N, 3, H, D], attended and its gradient [N, H, D].
protocol AttentionCore: Sendable {
  /// Floats of scratch memory that `forward` and `backward` want.
  var scratchCount: Int { get }

  /// May change `qkv` into what `backward` wants to find there.
  func forward(
    _ qkv: UnsafeMutablePointer<Float>, _ attended: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>)

  /// Runs after `forward` on the same `qkv`, `attended` and `scratch`; may change them and `attendedGradient`.
  func backward(
    _ qkv: UnsafeMutablePointer<Float>, attended: UnsafeMutablePointer<Float>,
    attendedGradient: UnsafeMutablePointer<Float>, qkvGradient: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>)
}
