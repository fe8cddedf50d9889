import Kernels

extension Tensor {
  /// Assembles images from patches: [B, H, W, P P C] -> [B, H P, W P, C].
  ///
  /// - Parameter side: P; a patch holds its rows of pixels, one after another.
  public func unpatchify(side: Int) -> Tensor {
    precondition(
      shape.count == 4 && side > 0 && channels % (side * side) == 0,
      "\(shape) are not patches of \(side) x \(side)")
    let assembly = PatchAssembly(
      batch: shape[0], rows: shape[1], columns: shape[2], side: side, channels: channels / (side * side))
    let output = tape.result(
      [shape[0], shape[1] * side, shape[2] * side, assembly.channels], of: [self])
    assembly.forward(pointer, images: output.pointer, pool: threads)
    tape.record(output) { [count, target] tape, dy in
      let dx = tape.engine.storage(count)
      assembly.backward(dy.pointer, patchGradient: dx.pointer, pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }
}
