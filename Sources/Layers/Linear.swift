import Kernels
import Tensors

/// PyTorch's `Linear` on vectors [..., C], fused with an activation that may follow it.
public struct Linear: Sendable {
  /// The initialisation of weights and bias.
  public enum Initialization: Sendable {
    /// PyTorch's default: Kaiming uniform with a = sqrt(5), whose bound is 1 / sqrt(fan in), for weights and bias
    /// alike.
    case standard
    /// The same for the weights, and 0 for the bias, as in the output layer of PyTorch's `MultiheadAttention`.
    case standardWithZeroBias
    /// Uniform with variance 2 / (fan in + fan out) (Glorot and Bengio, 2010); 0 for the bias.
    case xavier
    /// Normal; 0 for the bias.
    case normal(deviation: Float)
    case zeros

    func weights(inputs: Int, outputs: Int) -> Parameter.Initialization {
      switch self {
      case .standard, .standardWithZeroBias: .uniform(bound: 1 / Float(inputs).squareRoot())
      case .xavier: .uniform(bound: (6 / Float(inputs + outputs)).squareRoot())
      case .normal(let deviation): .normal(deviation: deviation)
      case .zeros: .zeros
      }
    }

    func bias(inputs: Int) -> Parameter.Initialization {
      if case .standard = self { .uniform(bound: 1 / Float(inputs).squareRoot()) } else { .zeros }
    }
  }

  private let weight: Parameter
  private let bias: Parameter?

  /// - Parameters:
  ///   - hasBias: whether there is a bias.
  ///   - prefix: a prefix of the names `weight` and `bias`, such as `in_proj_`.
  ///   - isConvolution: whether files store the weights as a 1x1 convolution, [outputs, inputs, 1, 1].
  public init(
    _ builder: ParameterBuilder, _ inputs: Int, _ outputs: Int, initialization: Initialization = .standard,
    hasBias: Bool = true, prefix: String = "", isConvolution: Bool = false
  ) {
    weight = builder.weights(
      prefix + "weight", fileShape: [outputs, inputs] + (isConvolution ? [1, 1] : []), outputs: outputs,
      inputs: inputs, taps: 1, initialization.weights(inputs: inputs, outputs: outputs), adaptability: .full)
    bias =
      hasBias
      ? builder.vector(prefix + "bias", count: outputs, initialization.bias(inputs: inputs)) : nil
  }

  /// Packs several layers on the same input into one product: the modules `names`, with `each` outputs, in order.
  public init(
    _ builder: ParameterBuilder, packing names: [String], _ inputs: Int, each outputs: Int,
    initialization: Initialization = .standard, hasBias: Bool = true
  ) {
    let all = names.count * outputs
    func parts(_ name: String) -> [Parameter.Part] {
      names.map { Parameter.Part("\($0).\(name)", outputs: outputs) }
    }
    weight = builder.weights(
      "\(names[0]).weight", fileShape: [all, inputs], outputs: all, inputs: inputs, taps: 1,
      initialization.weights(inputs: inputs, outputs: outputs), parts: parts("weight"), adaptability: .full)
    bias =
      hasBias
      ? builder.vector(
        "\(names[0]).bias", count: all, initialization.bias(inputs: inputs), parts: parts("bias")) : nil
  }

  /// - Parameter residual: added to the result.
  public func callAsFunction(
    _ x: Tensor, activation: LinearActivation = .none, residual: Tensor? = nil
  ) -> Tensor {
    let tape = x.tape
    func product(_ weights: Tensor, _ activation: LinearActivation, residual: Tensor?) -> Tensor {
      x.linear(
        weights: weights, bias: bias.map { tape($0) }, activation: activation, residual: residual)
    }
    switch tape.change(of: weight) {
    case .none: return product(tape(weight), activation, residual: residual)
    case .sum(let change): return product(tape(weight) + change, activation, residual: residual)
    case .lowRank(let change):
      let isActivated = activation != .none
      let own = product(tape(weight), .none, residual: isActivated ? nil : residual)
      let sum = change.seen([x])[0].linear(weights: change.down).linear(weights: change.up, residual: own)
      guard isActivated else { return sum }
      let activated = sum.activated(activation)
      return residual.map { activated + $0 } ?? activated
    }
  }
}

extension Tensor {
  fileprivate func activated(_ activation: LinearActivation) -> Tensor {
    switch activation {
    case .none: self
    case .gelu: gelu()
    case .tanhGELU: tanhGELU()
    case .quickGELU: quickGELU()
    case .silu: silu()
    }
  }
}

/// An activation after a linear layer; see `LinearTransform.Activation`.
public typealias LinearActivation = LinearTransform.Activation
