/// The starting point of a backward pass: a scalar on the tape, and its value in double precision.
public struct Loss {
  /// [], float32.
  public let scalar: Tensor
  /// The scalar's value before rounding to float32.
  public let value: Double

  public init(_ scalar: Tensor, value: Double? = nil) {
    precondition(scalar.count == 1, "a loss is a scalar, not \(scalar.shape)")
    self.scalar = scalar
    self.value = value ?? Double(scalar.elements[0])
  }
}

extension Tensor {
  /// Records a loss of this tensor whose value and gradient are already known.
  ///
  /// - Parameter gradient: the gradient of the loss with respect to this tensor.
  public func loss(value: Double, gradient: Storage) -> Loss {
    precondition(gradient.count == count, "a gradient of \(gradient.count) for \(shape)")
    let output = tape.result([], of: [self])
    output.elements[0] = Float(value)
    tape.record(output) { [target] tape, dy in
      let scale = dy.elements[0]
      if scale != 1 {
        for index in gradient.elements.indices { gradient.elements[index] *= scale }
      }
      tape.add(gradient, to: target)
    }
    return Loss(output, value: value)
  }
}

extension Tape {
  /// Runs the recorded operations backwards from `loss`.
  ///
  /// - Parameters:
  ///   - scale: a factor applied to all gradients.
  ///   - onStep: see `backward(from:gradient:onStep:)`.
  public func backward(
    from loss: Loss, scale: Float = 1, onStep: (_ completed: [ParameterPlace]) throws -> Void = { _ in }
  ) rethrows {
    let gradient = engine.storage(1)
    gradient.elements[0] = scale
    try backward(from: loss.scalar, gradient: gradient, onStep: onStep)
  }
}
