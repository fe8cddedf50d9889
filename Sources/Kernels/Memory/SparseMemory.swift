import CProcessor
import Foundation

/// Zero-initialised memory in small pages that are allocated when first written: for buffers that are mostly untouched.
///
/// `@unchecked Sendable`: the threads that share the memory synchronise their accesses themselves.
public final class SparseMemory: @unchecked Sendable {
  public let pointer: UnsafeMutableRawPointer
  public let byteCount: Int

  /// nil if the system cannot reserve the memory.
  public init?(byteCount: Int) {
    precondition(byteCount > 0, "\(byteCount) bytes")
    self.byteCount = byteCount
    // Reserving more than there is is fine, since most of it is never used.
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    let start = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, -1, 0)
    guard let start, start != MAP_FAILED else { return nil }
    pointer = start
    // Advice only: otherwise written parts take more memory.
    madvise(start, byteCount, MADV_NOHUGEPAGE)
  }

  /// Switches to huge pages where the system has them, for memory that turns out to be used as a whole.
  public func enlargePages() {
    let start = pointer.alignedUp(toMultipleOf: FloatMemory.hugePage)
    let count = (pointer + byteCount - start) / FloatMemory.hugePage * FloatMemory.hugePage
    guard count > 0 else { return }
    madvise(start, count, MADV_HUGEPAGE)
    _ = oboro_make_pages_large(start, count)
  }

  deinit { munmap(pointer, byteCount) }
}
