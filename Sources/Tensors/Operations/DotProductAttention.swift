import Kernels

extension Tensor {
  /// Attention between the pixels or tokens of each image, from their queries, keys and values: [B, ..., 3 H D] (all
  /// heads' queries, then keys, then values) -> [B, ..., H D].
  public func attended(heads: Int) -> Tensor {
    precondition(
      heads > 0 && channels % (3 * heads) == 0,
      "\(channels) channels are not queries, keys and values of \(heads) heads")
    let attention = DotProductAttention(
      batch: batch, tokens: pixels, heads: heads, headWidth: channels / (3 * heads))
    let output = tape.result(shape.dropLast() + [channels / 3], of: [self])
    let statistics = tape.engine.storage(batch * heads * pixels * 2)
    attention.forward(pointer, attended: output.pointer, statistics: statistics.pointer, pool: threads)
    // The two factors of each product are both of this tensor.
    tape.record(output, work: Work(attention, gradients: needsGradient, needsGradient)) {
      [storage, target, attended = output.storage] tape, dy in
      let dx = tape.engine.storage(storage.count)
      attention.backward(
        storage.pointer, attended: attended.pointer, statistics: statistics.pointer,
        attendedGradient: dy.pointer, qkvGradient: dx.pointer, pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }
}
