import Foundation

/// Memory for floats as every kernel expects it.
public enum FloatMemory {
  /// Bytes: a cache line and the widest vector. OpenBLAS may round differently by alignment, so there is one.
  public static let alignment = 64

  /// Kernels read many streams at once, more than the processor keeps addresses of small pages for.
  static let hugePage = 2_097_152

  /// What memory for `count` floats, at least one, takes: whole vectors.
  public static func byteCount(_ count: Int) -> Int {
    precondition(count >= 0, "\(count) floats")
    return max((count + 15) / 16, 1) * 16 * MemoryLayout<Float>.stride
  }

  /// Uninitialised memory for at least one float. The caller frees it with `deallocate()`.
  public static func allocate(_ count: Int) -> UnsafeMutableBufferPointer<Float> {
    let byteCount = byteCount(count)
    let isLarge = byteCount >= hugePage
    let raw = UnsafeMutableRawPointer.allocate(
      byteCount: byteCount, alignment: isLarge ? hugePage : alignment)
    // Advice only: where it is not taken, small pages do.
    if isLarge { madvise(raw, byteCount, MADV_HUGEPAGE) }
    return view(raw, count)
  }

  /// Memory of `byteCount(count)` bytes as floats.
  public static func view(_ raw: UnsafeMutableRawPointer, _ count: Int) -> UnsafeMutableBufferPointer<Float> {
    let floats = byteCount(count) / MemoryLayout<Float>.stride
    return UnsafeMutableBufferPointer(start: raw.bindMemory(to: Float.self, capacity: floats), count: floats)
  }
}
