import Foundation

/// Memory for floats as every kernel expects it.
public enum FloatMemory {
  /// Bytes: a cache line and the widest vector. OpenBLAS may round differently by alignment, so there is one.
  public static let alignment = 64

  /// Kernels read many streams at once, more than the processor keeps addresses of small pages for.
  private static let hugePage = 2_097_152

  /// Uninitialised memory for at least one float. The caller frees it with `deallocate()`.
  public static func allocate(_ count: Int) -> UnsafeMutableBufferPointer<Float> {
    precondition(count >= 0, "\(count) floats")
    let rounded = max((count + 15) / 16 * 16, 16)
    let byteCount = rounded * MemoryLayout<Float>.stride
    let isLarge = byteCount >= hugePage
    let raw = UnsafeMutableRawPointer.allocate(
      byteCount: byteCount, alignment: isLarge ? hugePage : alignment)
    // Advice only: where it is not taken, small pages do.
    if isLarge { madvise(raw, byteCount, MADV_HUGEPAGE) }
    return UnsafeMutableBufferPointer(
      start: raw.bindMemory(to: Float.self, capacity: rounded), count: rounded)
  }
}
