/// The arithmetic of a kernel as a function of its shape, for comparison with its time.
public protocol KernelShape: Hashable, Sendable {
  /// Multiplications and additions of the forward pass, each counted as one, by the formula of the result: neither
  /// savings nor recomputation by the algorithm are considered. 0 for memory-bound kernels.
  var flops: Int { get }
}

extension KernelShape {
  public var flops: Int { 0 }
}

extension ConvolutionShape: KernelShape {
  public var flops: Int { 2 * outputPixels * patchLength * outputChannels }
}

/// The shape of a transposed convolution, whose cost is that of the convolution that it is the adjoint of.
public struct TransposedConvolutionShape: KernelShape {
  public let adjoint: ConvolutionShape

  public init(adjoint: ConvolutionShape) { self.adjoint = adjoint }

  public var flops: Int { adjoint.flops }
}

extension GroupNormalization: KernelShape {}
extension BatchNormalization: KernelShape {}
extension LayerNormalization: KernelShape {}

extension SelfAttention: KernelShape {
  public var flops: Int {
    let projections = tokens * channels * 4 * hiddenWidth
    // Softmax: queries times keys, and weights times values. Linear: keys times values, and queries times contexts.
    let attention =
      switch kind {
      case .softmax: 2 * tokens * tokens * hiddenWidth
      case .linear: 2 * tokens * headWidth * hiddenWidth
      }
    return 2 * batch * (projections + attention)
  }
}

extension DotProductAttention: KernelShape {
  /// Queries times keys, and weights times values.
  public var flops: Int { 4 * batch * heads * queries * keys * headWidth }
}

extension LinearTransform: KernelShape {
  public var flops: Int { 2 * rows * inputs * outputs }
}

/// A matrix product, [rows, inner] times [inner, columns].
public struct MatrixProductShape: KernelShape {
  public let rows: Int
  public let inner: Int
  public let columns: Int

  public init(rows: Int, inner: Int, columns: Int) {
    self.rows = rows
    self.inner = inner
    self.columns = columns
  }

  public var flops: Int { 2 * rows * inner * columns }
}
