import Foundation

/// Allocates memory for floats, aligned as all kernels expect.
public enum FloatMemory {
  /// In bytes: a cache line and the widest vector.
  public static let alignment = 64

  /// The size of a huge page in bytes: kernels read more streams at once than the TLB covers with small pages.
  static let hugePage = 2_097_152

  /// The size in bytes of memory for `count` floats, rounded up to whole vectors, at least one.
  public static func byteCount(_ count: Int) -> Int {
    precondition(count >= 0, "\(count) floats")
    return max((count + 15) / 16, 1) * 16 * MemoryLayout<Float>.stride
  }

  /// Uninitialised memory for at least one float. The caller frees it with `deallocate()`. Without memory, the process
  /// ends.
  public static func allocate(_ count: Int) -> UnsafeMutableBufferPointer<Float> {
    let byteCount = byteCount(count)
    let isLarge = byteCount >= hugePage
    var start: UnsafeMutableRawPointer?
    // What `UnsafeMutableRawPointer.allocate` calls as well, but that crashes without a word.
    guard posix_memalign(&start, isLarge ? hugePage : alignment, byteCount) == 0, let raw = start else {
      MemoryExhaustion.end(byteCount: byteCount)
    }
    // Advice only: small pages work as well.
    if isLarge { madvise(raw, byteCount, MADV_HUGEPAGE) }
    return view(raw, count)
  }

  /// Memory of `byteCount(count)` bytes as floats.
  public static func view(_ raw: UnsafeMutableRawPointer, _ count: Int) -> UnsafeMutableBufferPointer<Float> {
    let floats = byteCount(count) / MemoryLayout<Float>.stride
    return UnsafeMutableBufferPointer(start: raw.bindMemory(to: Float.self, capacity: floats), count: floats)
  }
}
