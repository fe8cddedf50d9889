import Kernels

/// The weights of inference passes through a network: its own, and an adaptation if there is one.
public struct PassWeights: Sendable {
  private let sets: [BoundParameters]
  private let adaptation: (any WeightAdaptation)?
  /// How passes round the factors of matrix products.
  private let precision: ProductPrecision

  /// A network's weights, unadapted.
  public init(
    _ weights: ParameterBuffer, of set: ParameterSetIdentity, precision: ProductPrecision = .float32
  ) {
    self.precision = precision
    sets = [BoundParameters(set, weights: weights)]
    adaptation = nil
  }

  /// - Parameters:
  ///   - sets: the parameter sets, without gradients.
  ///   - adaptation: an adaptation of the weights, whose own parameters are one of the sets.
  public init(
    sets: [BoundParameters], adaptation: (any WeightAdaptation)?, precision: ProductPrecision = .float32
  ) {
    precondition(sets.allSatisfy { $0.gradients == nil }, "a set with gradients")
    self.sets = sets
    self.adaptation = adaptation
    self.precision = precision
  }

  /// - Parameter others: sets of the other networks in the pass.
  public func tape(on engine: Engine, beside others: [BoundParameters] = []) -> Tape {
    Tape(engine: engine, sets: sets + others, precision: precision, adaptation: adaptation)
  }
}
