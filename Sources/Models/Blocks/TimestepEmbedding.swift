import Layers
import Tensors

/// diffusers' `Timesteps` and `TimestepEmbedding`: sinusoids of the timestep followed by two linear layers.
public struct TimestepEmbedding: Sendable {
  private let sinusoids: SinusoidalEmbedding
  private let linear1: Linear
  private let linear2: Linear
  private let activation: BlockActivation

  /// - Parameters:
  ///   - sinusoids: number of sinusoids.
  ///   - width: width of the result.
  ///   - cosinesFirst: `flip_sin_to_cos`.
  ///   - activation: activation between the two layers.
  ///   - shift: `freq_shift`: frequency i is 10000^(-i / (sinusoids / 2 - shift)).
  public init(
    _ builder: ParameterBuilder, sinusoids: Int, width: Int, cosinesFirst: Bool, shift: Int,
    activation: BlockActivation = .silu
  ) {
    self.activation = activation
    self.sinusoids = SinusoidalEmbedding(
      width: sinusoids, spacing: .shifted(shift), order: cosinesFirst ? .cosinesFirst : .sinesFirst)
    linear1 = Linear(builder["linear_1"], sinusoids, width)
    linear2 = Linear(builder["linear_2"], width, width)
  }

  /// [B] timesteps -> [B, width].
  public func callAsFunction(_ timesteps: [Float], on tape: Tape) -> Tensor {
    linear2(activation(linear1(sinusoids(timesteps, on: tape))))
  }
}
