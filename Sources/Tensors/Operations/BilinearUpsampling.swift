import Kernels

extension Tensor {
  /// Doubles height and width by bilinear interpolation: [B, H, W, C] -> [B, 2H, 2W, C].
  ///
  /// - Parameter alignsCorners: whether the corner pixels of input and output coincide; false is PyTorch's default.
  public func upsampledBilinearly(alignsCorners: Bool) -> Tensor {
    precondition(shape.count == 4, "images have four dimensions, not \(shape)")
    let (b, h, w, c) = (shape[0], shape[1], shape[2], shape[3])
    let upsampling = BilinearUpsampling(
      batch: b, height: h, width: w, channels: c, alignsCorners: alignsCorners)
    let output = tape.result([b, 2 * h, 2 * w, c], of: [self])
    upsampling.forward(pointer, output: output.pointer, pool: threads)
    tape.record(output) { [target] tape, dy in
      let dx = tape.engine.storage(b * h * w * c)
      upsampling.backward(dy.pointer, inputGradient: dx.pointer, pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }
}
