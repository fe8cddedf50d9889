import CProcessor
import Foundation

/// Zeros that take memory only where something has been written, in small pages: for what is mostly left alone.
///
/// `@unchecked Sendable`: who writes and who reads is agreed between those who share it.
public final class SparseMemory: @unchecked Sendable {
  public let pointer: UnsafeMutableRawPointer
  public let byteCount: Int

  /// nil where the system gives no such memory.
  public init?(byteCount: Int) {
    precondition(byteCount > 0, "\(byteCount) bytes")
    self.byteCount = byteCount
    // More may be reserved than there is, since most of it is never taken.
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    let start = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, -1, 0)
    guard let start, start != MAP_FAILED else { return nil }
    pointer = start
    // Advice only: where it is not taken, what is written takes more memory.
    madvise(start, byteCount, MADV_NOHUGEPAGE)
  }

  /// Gives what has been written large pages after all, where the system has them: for what turned out to be used as a
  /// whole.
  public func enlargePages() {
    let start = pointer.alignedUp(toMultipleOf: FloatMemory.hugePage)
    let count = (pointer + byteCount - start) / FloatMemory.hugePage * FloatMemory.hugePage
    guard count > 0 else { return }
    madvise(start, count, MADV_HUGEPAGE)
    _ = oboro_make_pages_large(start, count)
  }

  deinit { munmap(pointer, byteCount) }
}
