import Kernels
import Tensors

/// PyTorch's `Linear` on vectors [..., C], with the activation that may follow it.
public struct Linear: Sendable {
  /// What new weights are drawn from.
  public enum Initialization: Sendable {
    /// PyTorch's default: Kaiming uniform with a = sqrt(5), which is 1 / sqrt(fan in), for weights and bias alike.
    case standard
    /// The same for the weights, and no bias.
    case standardWithoutBias
    /// Uniform with variance 2 / (fan in + fan out) (Glorot and Bengio, 2010), and no bias.
    case xavier
    /// Normal, and no bias.
    case normal(deviation: Float)
    case zeros
  }

  private let weight: Parameter
  private let bias: Parameter

  /// - Parameter prefix: what the names `weight` and `bias` start with, `in_proj_` for instance.
  public init(
    _ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int, initialization: Initialization = .standard,
    prefix: String = ""
  ) {
    let standard = Parameter.Initialization.uniform(bound: 1 / Float(inputs).squareRoot())
    let weights: Parameter.Initialization =
      switch initialization {
      case .standard, .standardWithoutBias: standard
      case .xavier: .uniform(bound: (6 / Float(inputs + outputs)).squareRoot())
      case .normal(let deviation): .normal(deviation: deviation)
      case .zeros: .zeros
      }
    weight = builder.weights(
      prefix + "weight", fileShape: [outputs, inputs], outputs: outputs, inputs: inputs, taps: 1, weights)
    let hasBias = if case .standard = initialization { true } else { false }
    bias = builder.vector(prefix + "bias", count: outputs, hasBias ? standard : .zeros)
  }

  /// Several layers on the same input in one product: `names` of modules with `each` outputs, one after the other.
  public init(_ builder: ParameterBuilder, packing names: [String], _ inputs: Int, each outputs: Int) {
    let standard = Parameter.Initialization.uniform(bound: 1 / Float(inputs).squareRoot())
    let all = names.count * outputs
    func parts(_ name: String) -> [Parameter.Part] {
      names.map { Parameter.Part("\($0).\(name)", outputs: outputs) }
    }
    weight = builder.weights(
      "\(names[0]).weight", fileShape: [all, inputs], outputs: all, inputs: inputs, taps: 1, standard,
      parts: parts("weight"))
    bias = builder.vector("\(names[0]).bias", count: all, standard, parts: parts("bias"))
  }

  /// - Parameter residual: what is added to the result.
  public func callAsFunction(
    _ x: Tensor, activation: LinearActivation = .none, residual: Tensor? = nil
  ) -> Tensor {
    x.linear(weights: x.tape(weight), bias: x.tape(bias), activation: activation, residual: residual)
  }
}

/// What may follow a linear layer: see `LinearTransform.Activation`.
public typealias LinearActivation = LinearTransform.Activation
