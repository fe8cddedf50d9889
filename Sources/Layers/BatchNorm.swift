import Kernels
import Tensors

/// PyTorch's `BatchNorm2d` on [B, H, W, C], fused with the following activation.
///
/// Normalises by the statistics of the batch on a tape that trains its parameters, otherwise by the running statistics.
public struct BatchNorm: Sendable {
  private let weight: Parameter
  private let bias: Parameter
  private let runningMean: Parameter
  private let runningVariance: Parameter

  public init(_ builder: ParameterBuilder, channels: Int) {
    // PyTorch's default.
    let average = Parameter.Role.runningAverage(momentum: 0.1)
    weight = builder.vector("weight", count: channels, .ones)
    bias = builder.vector("bias", count: channels, .zeros)
    runningMean = builder.table("running_mean", shape: [channels], .zeros, role: average)
    runningVariance = builder.table("running_var", shape: [channels], .ones, role: average)
    builder.batchCounter("num_batches_tracked")
  }

  public func callAsFunction(_ x: Tensor, activation: BatchNormalization.Activation = .relu) -> Tensor {
    let tape = x.tape
    let (gamma, beta) = (tape(weight), tape(bias))
    let (mean, variance) = (tape(runningMean), tape(runningVariance))
    return tape.trains(runningMean)
      ? x.batchNormalized(
        gamma: gamma, beta: beta, runningMean: mean, runningVariance: variance, activation: activation)
      : x.batchNormalized(gamma: gamma, beta: beta, mean: mean, variance: variance, activation: activation)
  }
}
