/// Memory for floats as every kernel expects it.
public enum FloatMemory {
  /// Bytes: a cache line and the widest vector. OpenBLAS may round differently by alignment, so there is one.
  public static let alignment = 64

  /// Uninitialised memory for at least one float. The caller frees it with `deallocate()`.
  public static func allocate(_ count: Int) -> UnsafeMutableBufferPointer<Float> {
    precondition(count >= 0, "\(count) floats")
    let rounded = max((count + 15) / 16 * 16, 16)
    let raw = UnsafeMutableRawPointer.allocate(
      byteCount: rounded * MemoryLayout<Float>.stride, alignment: alignment)
    return UnsafeMutableBufferPointer(
      start: raw.bindMemory(to: Float.self, capacity: rounded), count: rounded)
  }
}
