/// Multi-head self-attention over an image's pixels, including the projections. Some images at a time, queries, keys
/// and values are computed in cache and used there; the backward pass recomputes them, so they never travel to memory.
///
/// y = attend(x Wqkv) Wout + bias. Layouts: x, y [B, N, C]; Wqkv [C, 3 H D] (queries, keys, values; the heads
/// consecutive within each); Wout [H D, C]; bias [C]. H heads of width D, N tokens.
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
  /// How the factors of the products are rounded, except for those of small matrices.
  public let precision: ProductPrecision

  public init(
    kind: Kind, batch: Int, tokens: Int, channels: Int, heads: Int, headWidth: Int,
    precision: ProductPrecision = .float32
  ) {
    precondition(
      headWidth % Vector.width == 0 && batch > 0 && tokens > 0 && heads > 0,
      "\(heads) heads of \(headWidth): a head must be a multiple of \(Vector.width) wide")
    self.kind = kind
    self.batch = batch
    self.tokens = tokens
    self.channels = channels
    self.heads = heads
    self.headWidth = headWidth
    self.precision = precision
  }

  /// H D: the width of the queries.
  public var hiddenWidth: Int { heads * headWidth }

  private var core: any AttentionCore {
    switch kind {
    case .softmax:
      SoftmaxAttentionCore(tokens: tokens, heads: heads, headWidth: headWidth, precision: precision)
    case .linear: LinearAttentionCore(tokens: tokens, heads: heads, headWidth: headWidth)
    }
  }

  /// nil where computing the values is faster.
  private var folding: (any FoldingAttention)? {
    if let piecewise = PiecewiseLinearAttention(self) { return piecewise }
    return FoldedLinearAttention(self)
  }

  /// The maximal number of tokens whose queries, keys and values are computed together (one image at least): 3 MB if H
  /// D is 128.
  private static let tokensTogether = 2048

  private var imagesOfRound: Int {
    let most = max(Self.tokensTogether / tokens, 1)
    let rounds = (batch + most - 1) / most
    return (batch + rounds - 1) / rounds
  }

  private func forEachRound(_ body: (Range<Int>) -> Void) {
    for first in stride(from: 0, to: batch, by: imagesOfRound) {
      body(first..<min(first + imagesOfRound, batch))
    }
  }

  public func forward(
    _ x: UnsafePointer<Float>, qkvWeights: UnsafePointer<Float>, outputWeights: UnsafePointer<Float>,
    bias: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let (n, c, hidden) = (tokens, channels, hiddenWidth)
    if let folding {
      folding.forward(
        x, FoldedLinearAttention.Weights(qkv: qkvWeights, output: outputWeights), bias: bias, output: output,
        pool: pool)
      return
    }
    let core = core
    let qkv = pool.workspace(imagesOfRound * n * 4 * hidden)
    forEachRound { images in
      let (rows, first) = (images.count * n, images.lowerBound * n * c)
      let attended = qkv + rows * 3 * hidden
      LinearTransform(rows: rows, inputs: c, outputs: 3 * hidden, precision: precision)
        .forward(x + first, weights: qkvWeights, bias: nil, activationInput: nil, output: qkv, pool: pool)
      pool.parallel(images.count) { image, worker in
        core.forward(
          qkv + image * n * 3 * hidden, attended + image * n * hidden,
          scratch: pool.scratch(core.scratchCount, worker: worker))
      }
      LinearTransform(rows: rows, inputs: hidden, outputs: c, precision: precision)
        .forward(
          attended, weights: outputWeights, bias: bias, activationInput: nil, output: output + first,
          pool: pool)
    }
  }

  /// Writes dx; accumulates the gradients of the weights and the bias unless they are nil.
  public func backward(
    _ x: UnsafePointer<Float>, qkvWeights: UnsafePointer<Float>, outputWeights: UnsafePointer<Float>,
    outputGradient: UnsafePointer<Float>, inputGradient: UnsafeMutablePointer<Float>,
    qkvGradient: GradientSum?, outputWeightGradient: GradientSum?,
    biasGradient: UnsafeMutablePointer<Float>?, pool: ThreadPool
  ) {
    let (n, c, hidden) = (tokens, channels, hiddenWidth)
    if let biasGradient {
      Reduction.addColumnSums(
        outputGradient, rows: batch * n, columns: c, to: biasGradient, pool: pool)
    }
    if let folding {
      folding.backward(
        x, FoldedLinearAttention.Weights(qkv: qkvWeights, output: outputWeights),
        outputGradient: outputGradient, inputGradient: inputGradient, qkvGradient: qkvGradient,
        outputWeightGradient: outputWeightGradient, pool: pool)
      return
    }
    let core = core
    let roundRows = imagesOfRound * n
    let sumsOfQKV = LinearTransform(
      rows: roundRows, inputs: c, outputs: 3 * hidden, precision: precision
    ).workspaceCount
    let sumsOfOut = LinearTransform(
      rows: roundRows, inputs: hidden, outputs: c, precision: precision
    ).workspaceCount
    let qkv = pool.workspace(roundRows * 8 * hidden + max(sumsOfQKV, sumsOfOut))
    let sums = qkv + roundRows * 8 * hidden
    forEachRound { images in
      let (rows, first) = (images.count * n, images.lowerBound * n * c)
      let attended = qkv + rows * 3 * hidden
      let qkvGradients = attended + rows * hidden
      let attendedGradient = qkvGradients + rows * 3 * hidden
      let projection = LinearTransform(rows: rows, inputs: c, outputs: 3 * hidden, precision: precision)
      let out = LinearTransform(rows: rows, inputs: hidden, outputs: c, precision: precision)
      func sum(_ gradient: GradientSum) -> GradientSum {
        GradientSum(gradient.memory, isBegun: gradient.isBegun || first > 0)
      }
      projection.forward(
        x + first, weights: qkvWeights, bias: nil, activationInput: nil, output: qkv, pool: pool)
      out.backward(
        attended, weights: outputWeights, activationInput: nil, outputGradient: outputGradient + first,
        inputGradient: attendedGradient, weightGradient: nil, biasGradient: nil, pool: pool)
      pool.parallel(images.count) { image, worker in
        let scratch = pool.scratch(core.scratchCount, worker: worker)
        core.forward(qkv + image * n * 3 * hidden, attended + image * n * hidden, scratch: scratch)
        core.backward(
          qkv + image * n * 3 * hidden, attended: attended + image * n * hidden,
          attendedGradient: attendedGradient + image * n * hidden,
          qkvGradient: qkvGradients + image * n * 3 * hidden, scratch: scratch)
      }
      out.backward(
        attended, weights: outputWeights, activationInput: nil, outputGradient: outputGradient + first,
        inputGradient: nil, weightGradient: outputWeightGradient.map(sum), biasGradient: nil, workspace: sums,
        pool: pool)
      projection.backward(
        x + first, weights: qkvWeights, activationInput: nil, outputGradient: qkvGradients,
        inputGradient: inputGradient + first, weightGradient: qkvGradient.map(sum), biasGradient: nil,
        workspace: sums, pool: pool)
    }
  }
}

/// The part of attention between the projections, for one image on one thread.
///
/// Layouts: qkv and its gradient [N, 3, H, D], attended and its gradient [N, H, D].
protocol AttentionCore: Sendable {
  /// The size of the scratch memory for `forward` and `backward`, in floats.
  var scratchCount: Int { get }

  /// May overwrite `qkv` with what `backward` needs.
  func forward(
    _ qkv: UnsafeMutablePointer<Float>, _ attended: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>)

  /// Runs after `forward` on the same `qkv`, `attended` and `scratch`; may overwrite `qkv` and `scratch`.
  func backward(
    _ qkv: UnsafeMutablePointer<Float>, attended: UnsafeMutablePointer<Float>,
    attendedGradient: UnsafeMutablePointer<Float>, qkvGradient: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>)
}

/// Linear attention of a whole batch that never computes the tokens' values; see `FoldedLinearAttention`.
protocol FoldingAttention: RoundingAttention {
  func forward(
    _ x: UnsafePointer<Float>, _ weights: FoldedLinearAttention.Weights, bias: UnsafePointer<Float>,
    output: UnsafeMutablePointer<Float>, pool: ThreadPool)

  /// Writes dx, and accumulates the weights' gradients unless they are nil.
  func backward(
    _ x: UnsafePointer<Float>, _ weights: FoldedLinearAttention.Weights, outputGradient: UnsafePointer<Float>,
    inputGradient: UnsafeMutablePointer<Float>, qkvGradient: GradientSum?,
    outputWeightGradient: GradientSum?, pool: ThreadPool)
}

/// Attention that rounds the factors of products with all tokens of an image, or of a piece of it; those of a head's small
/// matrices are not rounded.
protocol RoundingAttention {
  var precision: ProductPrecision { get }
}

extension RoundingAttention {
  func product(
    _ left: Matrix, _ right: Matrix, into output: UnsafeMutablePointer<Float>, stride: Int? = nil,
    accumulating: Bool = false
  ) {
    MatrixProduct.compute(
      left, right, into: output, stride: stride, accumulating: accumulating, precision: precision)
  }
}
