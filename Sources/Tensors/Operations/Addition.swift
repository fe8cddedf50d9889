import Kernels

extension Tensor {
  /// The sum of two tensors of the same shape.
  public static func + (a: Tensor, b: Tensor) -> Tensor {
    precondition(a.shape == b.shape, "\(a.shape) + \(b.shape)")
    let output = a.tape.result(a.shape, of: [a, b])
    Elementwise.add(a.pointer, b.pointer, output: output.pointer, count: a.count, pool: a.threads)
    a.tape.record(output) { [a = a.target, b = b.target] tape, gradient in
      tape.add(gradient, to: a)
      tape.add(gradient, to: b)
    }
    return output
  }

  /// The difference of two tensors of the same shape.
  public static func - (a: Tensor, b: Tensor) -> Tensor {
    precondition(a.shape == b.shape, "\(a.shape) - \(b.shape)")
    let output = a.tape.result(a.shape, of: [a, b])
    Elementwise.subtract(a.pointer, b.pointer, output: output.pointer, count: a.count, pool: a.threads)
    a.tape.record(output) { [a = a.target, b = b.target] tape, gradient in
      tape.add(gradient, to: a)
      guard b != .none else { return }
      let negative = tape.engine.storage(gradient.count)
      Elementwise.scale(
        gradient.pointer, by: -1, output: negative.pointer, count: gradient.count, pool: tape.engine.threads)
      tape.add(negative, to: b)
    }
    return output
  }

  /// Adds the same constants to every image of [B, ..., C]: as many elements as an image has, in any shape with C
  /// channels.
  public func addingToEachImage(_ constants: Tensor) -> Tensor {
    precondition(
      constants.count == count / batch && constants.channels == channels, "\(shape) + \(constants.shape)")
    let output = tape.result(shape, of: [self, constants])
    Elementwise.addToEach(
      pointer, constants.pointer, output: output.pointer, batch: batch, size: constants.count, pool: threads)
    tape.record(output) {
      [target, batch, size = constants.count, constants = constants.target] tape, gradient in
      if let sum = tape.gradientMemory(constants, count: size) {
        Elementwise.addSumOverEach(
          gradient.pointer, batch: batch, size: size, to: sum, pool: tape.engine.threads)
      }
      tape.add(gradient, to: target)
    }
    return output
  }
}
