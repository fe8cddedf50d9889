import Kernels

extension Tensor {
  /// Adds a vector to all pixels of each image: x[b, h, w, c] + v[b, first + c], for x [B, H, W, C] and v [B, V].
  public func adding(_ vectors: Tensor, from first: Int = 0) -> Tensor {
    let (b, n, c, v) = (batch, pixels, channels, vectors.channels)
    precondition(
      vectors.shape == [b, v] && first >= 0 && first + c <= v,
      "columns from \(first) of \(vectors.shape) added to \(shape)")
    let output = tape.result(shape, of: [self, vectors])
    BroadcastAdd.add(
      pointer, vectors: vectors.pointer + first, stride: v, batch: b, pixels: n, channels: c,
      output: output.pointer, pool: threads)
    tape.record(output) { [target, vectors = vectors.target] tape, dy in
      if let sum = tape.gradientMemory(vectors, count: b * v) {
        BroadcastAdd.addGradient(
          dy.pointer, stride: v, batch: b, pixels: n, channels: c, gradient: sum + first,
          pool: tape.engine.threads)
      }
      tape.add(dy, to: target)
    }
    return output
  }
}
