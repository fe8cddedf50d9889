/// What a kernel computes, by its shape: what its time is held against.
public protocol KernelShape: Hashable, Sendable {
  /// Multiplications and additions of the forward pass, each counted as one, by the formula of the result: neither
  /// what an algorithm saves nor what it computes twice counts. 0 for a kernel whose time goes into memory.
  var flops: Int { get }
}

extension KernelShape {
  public var flops: Int { 0 }
}

extension ConvolutionShape: KernelShape {
  public var flops: Int { 2 * outputPixels * patchLength * outputChannels }
}

/// What a transposed convolution computes: as much as the convolution whose adjoint it is.
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
    // Queries with keys, and weights with values; or keys with values, and queries with the sums.
    let attention =
      switch kind {
      case .softmax: 2 * tokens * tokens * hiddenWidth
      case .linear: 2 * tokens * headWidth * hiddenWidth
      }
    return 2 * batch * (projections + attention)
  }
}

extension DotProductAttention: KernelShape {
  /// Queries with keys, and weights with values.
  public var flops: Int { 4 * batch * heads * queries * keys * headWidth }
}

/// A product of matrices, [rows, inner] times [inner, columns].
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
