extension ShardedDataset {
  /// Reads field `field`, an index into `fields`, of sample `index` as a network sees it, see
  /// ``FieldRequest/Form/scaled``: the values that `Loader` returns, not mirrored.
  ///
  /// - Parameters:
  ///   - field: a field whose values become floats: neither int32 nor text.
  ///   - values: `[field.shape]`, in order.
  /// - Throws: the errors of `read(_:field:into:)`.
  public func read(
    _ index: Int, field: Int, form: FieldRequest.Form = .scaled,
    into values: UnsafeMutableBufferPointer<Float>
  ) throws {
    let conversion = FieldConversion(fields[field], form: form)
    precondition(
      values.count == fields[field].elementCount,
      "\(fields[field].name) has \(fields[field].elementCount) elements, the buffer \(values.count)")
    try withUnsafeTemporaryAllocation(byteCount: fields[field].byteCount ?? 0, alignment: 16) { stored in
      try read(index, field: field, into: stored)
      conversion.convert(stored, to: values, isFlipped: false)
    }
  }
}
