import Kernels

extension Tensor {
  /// The maximum of each 2x2 block of pixels: [B, H, W, C] -> [B, H / 2, W / 2, C], for even H and W.
  public func maxPooled() -> Tensor {
    precondition(
      shape.count == 4 && shape[1] % 2 == 0 && shape[2] % 2 == 0, "no images of 2x2 blocks: \(shape)")
    let (b, h, w, c) = (shape[0], shape[1] / 2, shape[2] / 2, shape[3])
    let output = tape.result([b, h, w, c], of: [self])
    MaxPooling.forward(
      pointer, batch: b, height: h, width: w, channels: c, output: output.pointer, pool: threads)
    tape.record(output) { [storage, target] tape, dy in
      let dx = tape.engine.storage(storage.count)
      MaxPooling.backward(
        storage.pointer, outputGradient: dy.pointer, batch: b, height: h, width: w, channels: c,
        inputGradient: dx.pointer, pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }
}
