/// The weights that passes without gradients go through a network with: its own, and what changes them.
public struct PassWeights: Sendable {
  private let sets: [BoundParameters]
  private let adaptation: (any WeightAdaptation)?

  /// A network's weights as they are.
  public init(_ weights: ParameterBuffer, of set: ParameterSetIdentity) {
    sets = [BoundParameters(set, weights: weights)]
    adaptation = nil
  }

  /// - Parameters:
  ///   - sets: without gradients.
  ///   - adaptation: what changes them, whose own parameters are one of them.
  public init(sets: [BoundParameters], adaptation: (any WeightAdaptation)?) {
    precondition(sets.allSatisfy { $0.gradients == nil }, "a set with gradients")
    self.sets = sets
    self.adaptation = adaptation
  }

  /// - Parameter others: sets of other networks that the pass goes through.
  public func tape(on engine: Engine, beside others: [BoundParameters] = []) -> Tape {
    Tape(engine: engine, sets: sets + others, adaptation: adaptation)
  }
}
