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
    attention.forward(
      attention.operands(qkv: pointer), attended: output.pointer, statistics: statistics.pointer,
      pool: threads)
    // The two factors of each product are both of this tensor.
    tape.record(output, work: Work(attention, gradients: needsGradient, needsGradient)) {
      [storage, target, attended = output.storage] tape, dy in
      let dx = tape.engine.storage(storage.count)
      attention.backward(
        attention.operands(qkv: storage.pointer), attended: attended.pointer, statistics: statistics.pointer,
        attendedGradient: dy.pointer, gradients: attention.gradients(qkv: dx.pointer),
        pool: tape.engine.threads)
      tape.add(dx, to: target)
    }
    return output
  }

  /// Attention of the pixels or tokens of each image to other tokens, or to themselves.
  ///
  /// - Parameters:
  ///   - queries: [B, ..., H D].
  ///   - keys, values: [B, ..., H D], of L tokens.
  ///   - isCausal: whether query i attends to no key after number i.
  ///   - keyMask: [B, L]; a key whose number is 0 gets no attention. It gets no gradient.
  /// - Returns: [B, ..., H D], as the queries.
  public static func attention(
    queries: Tensor, keys: Tensor, values: Tensor, heads: Int, isCausal: Bool = false, keyMask: Tensor? = nil
  ) -> Tensor {
    let (b, hidden) = (queries.batch, queries.channels)
    precondition(
      heads > 0 && hidden % heads == 0 && keys.shape == values.shape && keys.batch == b
        && keys.channels == hidden && keyMask.map { $0.shape == [b, keys.pixels] } ?? true,
      """
      queries \(queries.shape), keys \(keys.shape), values \(values.shape), mask \(keyMask?.shape ?? []), \
      \(heads) heads
      """)
    let attention = DotProductAttention(
      batch: b, queries: queries.pixels, keys: keys.pixels, heads: heads, headWidth: hidden / heads,
      isCausal: isCausal)
    let tape = queries.tape
    let output = tape.result(queries.shape, of: [queries, keys, values] + (keyMask.map { [$0] } ?? []))
    let statistics = tape.engine.storage(b * heads * queries.pixels * 2)
    attention.forward(
      .init(
        queries: queries.pointer, queryStride: hidden, keys: keys.pointer, values: values.pointer,
        keyStride: hidden, keyMask: keyMask?.pointer),
      attended: output.pointer, statistics: statistics.pointer, pool: queries.threads)
    tape.record(
      output,
      work: Work(attention, gradients: output.needsGradient, output.needsGradient)
    ) {
      [
        q = queries.storage, k = keys.storage, v = values.storage, mask = keyMask?.storage,
        attended = output.storage, targets = (queries.target, keys.target, values.target)
      ] tape, dy in
      let (dq, dk, dv) = (
        tape.engine.storage(q.count), tape.engine.storage(k.count), tape.engine.storage(v.count)
      )
      attention.backward(
        .init(
          queries: q.pointer, queryStride: hidden, keys: k.pointer, values: v.pointer, keyStride: hidden,
          keyMask: mask?.pointer),
        attended: attended.pointer, statistics: statistics.pointer, attendedGradient: dy.pointer,
        gradients: .init(queries: dq.pointer, keys: dk.pointer, values: dv.pointer),
        pool: tape.engine.threads)
      tape.add(dq, to: targets.0)
      tape.add(dk, to: targets.1)
      tape.add(dv, to: targets.2)
    }
    return output
  }
}
