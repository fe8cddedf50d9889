/// The memory of a set of parameters during one pass.
public struct BoundParameters: Sendable {
  /// nil: of whichever set the first parameter that the pass uses is of, for passes with one set.
  public let set: ParameterSetIdentity?
  public let weights: ParameterBuffer
  public let gradients: ParameterBuffer?

  /// - Parameters:
  ///   - weights: the values of the set's parameters.
  ///   - gradients: where the gradients of those parameters go that operations use, whatever is there; nil: the set is
  ///     frozen, and the backward pass computes no gradients for it.
  public init(_ set: ParameterSetIdentity?, weights: ParameterBuffer, gradients: ParameterBuffer? = nil) {
    precondition(
      gradients.map { $0.count == weights.count } ?? true,
      "\(weights.count) weights with \(gradients?.count ?? 0) gradients")
    self.set = set
    self.weights = weights
    self.gradients = gradients
  }
}

/// Where a parameter lies: in which of the sets that a tape has bound, and at which offset of its memory.
public struct ParameterPlace: Hashable, Sendable {
  public let set: Int
  public let offset: Int

  public init(set: Int, offset: Int) {
    self.set = set
    self.offset = offset
  }
}
