/// Linear attention: context = (softmax over N of K)ᵀ V, a D x D matrix for each head; output = q context / sqrt(D)
/// with q = softmax over D of Q.
struct LinearAttentionCore: AttentionCore {
  let tokens: Int
  let heads: Int
  let headWidth: Int

  private var hidden: Int { heads * headWidth }
  private var stride: Int { 3 * hidden }
  private var scale: Float { 1 / Float(headWidth).squareRoot() }
  private var softmax: TokenSoftmax {
    TokenSoftmax(tokens: tokens, heads: heads, headWidth: headWidth, stride: stride)
  }

  /// The contexts [H, D, D], their gradients, and two rows [H, D].
  var scratchCount: Int { 2 * heads * headWidth * headWidth + 2 * hidden }

  /// Replaces Q and K by q and k, their softmaxes, and leaves the contexts in `scratch`.
  func forward(
    _ qkv: UnsafeMutablePointer<Float>, _ attended: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    softmax.ofQueries(qkv)
    softmax.ofKeys(qkv, rows: rows(scratch))
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
      // The context includes the factor 1 / sqrt(D); its gradient needs it too, for those of k and v.
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
    softmax.ofQueriesGradient(qkv, qkvGradient)
    softmax.ofKeysGradient(qkv, qkvGradient, row: rows(scratch))
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
}
