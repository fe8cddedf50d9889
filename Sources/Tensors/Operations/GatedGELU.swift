import Kernels

extension Tensor {
  /// a GELU(g) of the two halves of the channels: [..., 2 K] -> [..., K]. See `GatedGELU`.
  public func gatedGELU() -> Tensor {
    precondition(channels % 2 == 0, "\(shape) has no halves of its channels")
    let gelu = GatedGELU(rows: count / channels, width: channels / 2)
    let output = tape.result(shape.dropLast() + [gelu.width], of: [self])
    gelu.forward(pointer, output: output.pointer, pool: threads)
    tape.record(output) { [storage, target] tape, dy in
      let dx = tape.engine.storage(storage.count)
      gelu.backward(
        storage.pointer, outputGradient: dy.pointer, inputGradient: dx.pointer, pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }
}
