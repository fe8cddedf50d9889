/// The memory that a tape uses for one set of parameters during a pass.
public struct BoundParameters: Sendable {
  /// nil, for passes with a single set, stands for the set of the first parameter that the pass uses.
  public let set: ParameterSetIdentity?
  public let weights: ParameterBuffer
  public let gradients: ParameterBuffer?

  /// - Parameters:
  ///   - weights: the values of the set's parameters.
  ///   - gradients: receives the gradients of the parameters that operations use, overwriting its contents; nil if the
  ///     set is frozen, in which case the backward pass computes no gradients for it.
  public init(_ set: ParameterSetIdentity?, weights: ParameterBuffer, gradients: ParameterBuffer? = nil) {
    precondition(
      gradients.map { $0.count == weights.count } ?? true,
      "\(weights.count) weights with \(gradients?.count ?? 0) gradients")
    self.set = set
    self.weights = weights
    self.gradients = gradients
  }
}

/// The location of a parameter: the index of its set among those bound to a tape, and its offset in that set's memory.
public struct ParameterPlace: Hashable, Sendable {
  public let set: Int
  public let offset: Int

  public init(set: Int, offset: Int) {
    self.set = set
    self.offset = offset
  }
}
