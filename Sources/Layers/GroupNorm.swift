import Kernels
import Tensors

/// PyTorch's `GroupNorm` on [B, ..., C], fused with operations that may follow it: a scale and shift for each image, an
/// activation, a residual.
public struct GroupNorm: Sendable {
  private let weight: Parameter
  private let bias: Parameter
  private let groups: Int
  private let epsilon: Float

  /// - Parameter epsilon: added to the variance.
  public init(_ builder: ParameterBuilder, groups: Int, channels: Int, epsilon: Float = 1e-5) {
    precondition(channels % groups == 0, "\(channels) channels cannot be split into \(groups) groups")
    weight = builder.vector("weight", count: channels, .ones)
    bias = builder.vector("bias", count: channels, .zeros)
    self.groups = groups
    self.epsilon = epsilon
  }

  /// - Parameters:
  ///   - scaleShift: [B, 2 C]; the normalised values are multiplied by 1 + scale, and the shift is added.
  ///   - residual: [B, ..., C]; added at the end.
  public func callAsFunction(
    _ x: Tensor, scaleShift: Tensor? = nil, activation: GroupNormalization.Activation = .none,
    residual: Tensor? = nil
  ) -> Tensor {
    x.groupNormalized(
      groups: groups, gamma: x.tape(weight), beta: x.tape(bias), scaleShift: scaleShift,
      epsilon: epsilon, activation: activation, residual: residual)
  }
}
