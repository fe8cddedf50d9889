import Tensors

/// Multi-head self-attention over the tokens of [B, ..., C], with input and output projections.
public struct MultiHeadAttention: Sendable {
  private let heads: Int
  private let qkv: Linear
  private let output: Linear

  /// - Parameters:
  ///   - qkv: C channels to 3 C: queries, keys and values.
  ///   - output: C channels to C.
  public init(heads: Int, qkv: Linear, output: Linear) {
    self.heads = heads
    self.qkv = qkv
    self.output = output
  }

  /// PyTorch's `MultiheadAttention` with the same input for queries, keys and values.
  public init(_ builder: ParameterBuilder, channels: Int, heads: Int) {
    self.init(
      heads: heads,
      qkv: Linear(builder, channels, 3 * channels, initialization: .xavier, prefix: "in_proj_"),
      output: Linear(builder["out_proj"], channels, channels, initialization: .standardWithZeroBias))
  }

  /// - Parameter residual: added to the result.
  public func callAsFunction(_ x: Tensor, residual: Tensor? = nil) -> Tensor {
    output(qkv(x).selfAttention(heads: heads), residual: residual)
  }
}
