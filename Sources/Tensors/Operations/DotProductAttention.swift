import Kernels

extension Tensor {
  /// Self-attention over the pixels or tokens of each image, from packed queries, keys and values: [B, ..., 3 H D] (the
  /// queries of all heads, then the keys, then the values) -> [B, ..., H D].
  ///
  /// - Parameters:
  ///   - isCausal: whether each token attends only to itself and earlier tokens.
  ///   - keyMask: [B, N] for N tokens; tokens with a mask value of 0 are not attended to. The mask gets no gradient.
  public func selfAttention(heads: Int, isCausal: Bool = false, keyMask: Tensor? = nil) -> Tensor {
    precondition(
      heads > 0 && channels % (3 * heads) == 0 && keyMask.map { $0.shape == [batch, pixels] } ?? true,
      "\(shape) are not queries, keys and values of \(heads) heads, masked by \(keyMask?.shape ?? [])")
    let attention = DotProductAttention(
      batch: batch, tokens: pixels, heads: heads, headWidth: channels / (3 * heads), isCausal: isCausal,
      precision: tape.precision)
    let output = tape.result(shape.dropLast() + [channels / 3], of: [self] + (keyMask.map { [$0] } ?? []))
    let statistics = tape.engine.storage(batch * heads * pixels * 2)
    attention.forward(
      attention.operands(qkv: pointer, keyMask: keyMask?.pointer), attended: output.pointer,
      statistics: statistics.pointer, pool: threads)
    // Both factors of each product come from this tensor.
    tape.record(output, work: Work(attention, gradients: needsGradient, needsGradient)) {
      [storage, target, attended = output.storage, mask = keyMask?.storage] tape, dy in
      let dx = tape.engine.storage(storage.count)
      attention.backward(
        attention.operands(qkv: storage.pointer, keyMask: mask?.pointer), attended: attended.pointer,
        statistics: statistics.pointer, attendedGradient: dy.pointer,
        gradients: attention.gradients(qkv: dx.pointer), pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }

  /// Cross-attention of the pixels or tokens of each image to other tokens: queries [B, ..., H D], keys and values
  /// [B, L, 2 H D] -> [B, ..., H D].
  ///
  /// - Parameter keyMask: [B, L]; keys with a mask value of 0 are not attended to. The mask gets no gradient.
  public func crossAttention(to keysAndValues: Tensor, heads: Int, keyMask: Tensor? = nil) -> Tensor {
    let (b, hidden) = (batch, channels)
    precondition(
      heads > 0 && hidden % heads == 0 && keysAndValues.batch == b && keysAndValues.channels == 2 * hidden
        && keyMask.map { $0.shape == [b, keysAndValues.pixels] } ?? true,
      """
      queries \(shape) of \(heads) heads, keys and values \(keysAndValues.shape), \
      masked by \(keyMask?.shape ?? [])
      """)
    let attention = DotProductAttention(
      batch: b, queries: pixels, keys: keysAndValues.pixels, heads: heads, headWidth: hidden / heads,
      precision: tape.precision)
    func operands(_ q: Storage, _ kv: Storage, _ mask: Storage?) -> DotProductAttention.Operands {
      .init(
        queries: q.pointer, queryStride: hidden, keys: kv.pointer, values: kv.pointer + hidden,
        keyStride: 2 * hidden, keyMask: mask?.pointer)
    }
    let output = tape.result(shape, of: [self, keysAndValues] + (keyMask.map { [$0] } ?? []))
    let statistics = tape.engine.storage(b * heads * pixels * 2)
    attention.forward(
      operands(storage, keysAndValues.storage, keyMask?.storage), attended: output.pointer,
      statistics: statistics.pointer, pool: threads)
    tape.record(
      output, work: Work(attention, gradients: needsGradient, keysAndValues.needsGradient)
    ) {
      [
        q = storage, kv = keysAndValues.storage, mask = keyMask?.storage, attended = output.storage,
        targets = (target, keysAndValues.target)
      ] tape, dy in
      let (dq, dkv) = (tape.engine.storage(q.count), tape.engine.storage(kv.count))
      attention.backward(
        operands(q, kv, mask), attended: attended.pointer, statistics: statistics.pointer,
        attendedGradient: dy.pointer,
        gradients: .init(queries: dq.pointer, keys: dkv.pointer, values: dkv.pointer + hidden),
        pool: tape.engine.threads)
      tape.add(dq, to: targets.0)
      tape.add(dkv, to: targets.1)
    }
    return output
  }
}
