extension Tape {
  /// Runs the recorded operations backwards from a scalar, whose gradient is 1.
  ///
  /// - Parameter onStep: see the `backward` of any tensor.
  public func backward(
    from scalar: Tensor, onStep: (_ completed: [Int]) throws -> Void = { _ in }
  ) rethrows {
    precondition(scalar.isScalar, "the backward pass begins at one number, not at \(scalar.shape)")
    let gradient = engine.storage(1)
    gradient.pointer[0] = 1
    try backward(from: scalar, gradient: gradient, onStep: onStep)
  }
}
