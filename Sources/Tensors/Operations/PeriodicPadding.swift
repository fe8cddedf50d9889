import Kernels

extension Tensor {
  /// Periodic padding of images, PyTorch's `circular` mode: [B, H, W, C] -> [B, H + before + behind, W + before +
  /// behind, C].
  public func paddedPeriodically(before: Int, behind: Int) -> Tensor {
    precondition(
      shape.count == 4 && before >= 0 && behind >= 0, "\(shape) padded by \(before) and \(behind)")
    let (b, h, w, c) = (shape[0], shape[1], shape[2], shape[3])
    let output = tape.result([b, h + before + behind, w + before + behind, c], of: [self])
    PeriodicPadding.forward(
      pointer, batch: b, height: h, width: w, channels: c, before: before, behind: behind,
      output: output.pointer, pool: threads)
    tape.record(output) { [target] tape, dy in
      guard target != .none else { return }
      let dx = tape.engine.storage(b * h * w * c)
      PeriodicPadding.backward(
        dy.pointer, batch: b, height: h, width: w, channels: c, before: before, behind: behind,
        inputGradient: dx.pointer, pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }
}
