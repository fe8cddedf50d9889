/// What a backward pass starts from: a scalar of the tape, and its value in double precision.
public struct Loss {
  /// [], float32.
  public let scalar: Tensor
  /// Of the scalar, before it was rounded.
  public let value: Double

  public init(_ scalar: Tensor, value: Double? = nil) {
    precondition(scalar.count == 1, "a loss is a scalar, not \(scalar.shape)")
    self.scalar = scalar
    self.value = value ?? Double(scalar.elements[0])
  }
}

extension Tensor {
  /// A loss of this tensor whose value and gradient are known.
  ///
  /// - Parameter gradient: of the loss by this tensor.
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
  ///   - scale: what all gradients are multiplied by.
  ///   - onStep: see the `backward` of a tensor.
  public func backward(
    from loss: Loss, scale: Float = 1, onStep: (_ completed: [ParameterPlace]) throws -> Void = { _ in }
  ) rethrows {
    let gradient = engine.storage(1)
    gradient.elements[0] = scale
    try backward(from: loss.scalar, gradient: gradient, onStep: onStep)
  }
}
