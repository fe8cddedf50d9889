import Kernels

extension Tensor {
  /// The sum of two tensors of one shape.
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

  /// Adds to every image of [B, ..., C] the same numbers, which get no gradient.
  public func addingToEachImage(_ constants: Tensor) -> Tensor {
    precondition(
      constants.count == count / batch && constants.channels == channels, "\(shape) + \(constants.shape)")
    let output = tape.result(shape, of: [self])
    Elementwise.addToEach(
      pointer, constants.pointer, output: output.pointer, batch: batch, size: constants.count, pool: threads)
    tape.record(output) { [target] tape, gradient in tape.add(gradient, to: target) }
    return output
  }
}
