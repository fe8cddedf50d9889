import Kernels

extension Tensor {
  /// Doubles height and width by repeating pixels: [B, H, W, C] -> [B, 2H, 2W, C].
  public func upsampledToNearest() -> Tensor {
    precondition(shape.count == 4, "images have four dimensions, not \(shape)")
    let (b, h, w, c) = (shape[0], shape[1], shape[2], shape[3])
    let output = tape.result([b, 2 * h, 2 * w, c], of: [self])
    NearestUpsampling.forward(
      pointer, batch: b, height: h, width: w, channels: c, output: output.pointer, pool: threads)
    tape.record(output) { [target] tape, dy in
      let dx = tape.engine.storage(b * h * w * c)
      NearestUpsampling.backward(
        dy.pointer, batch: b, height: h, width: w, channels: c, inputGradient: dx.pointer,
        pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }
}
