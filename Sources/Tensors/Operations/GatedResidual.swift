import Kernels

extension Tensor {
  /// self + gate z, for images or tokens [B, ..., C]; the gate is C columns of a [B, M] matrix.
  public func adding(_ z: Tensor, gate: ColumnSlice) -> Tensor {
    precondition(
      shape == z.shape && gate.count == channels && gate.matrix.batch == batch,
      "\(shape) + \(gate.count) columns of \(gate.matrix.shape) times \(z.shape)")
    let addition = GatedResidual(batch: batch, tokens: pixels, channels: channels, gateStride: gate.stride)
    let output = tape.result(shape, of: [self, z, gate.matrix])
    addition.forward(pointer, z.pointer, gate: gate.pointer, output: output.pointer, pool: threads)
    tape.record(output) { [target, z] tape, dy in
      let dz = z.needsGradient ? tape.engine.storage(z.count) : nil
      addition.backward(
        z.pointer, gate: gate.pointer, outputGradient: dy.pointer, gatedGradient: dz?.pointer,
        gateGradient: gate.gradientMemory(tape), pool: tape.engine.threads)
      if let dz { tape.add(dz, to: z.target) }
      tape.add(dy, to: target)
    }
    return output
  }
}
