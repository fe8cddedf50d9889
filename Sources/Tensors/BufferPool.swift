import Kernels
import Synchronization

/// Keeps the memory of tensors that are gone for tensors to come: a training step asks for the same sizes again and
/// again, and fresh pages from the system cost more than the arithmetic on them.
final class BufferPool: Sendable {
  private struct Free: @unchecked Sendable {
    // @unchecked: memory in the pool belongs to nobody else.
    var bySize: [Int: [UnsafeMutableBufferPointer<Float>]] = [:]
    var inUse = 0
  }

  private let free = Mutex(Free())

  /// Sizes are rounded up to this many floats, so that nearly equal ones share memory.
  private static let granularity = 1024

  func take(_ count: Int) -> Storage {
    let size = max((count + Self.granularity - 1) / Self.granularity, 1) * Self.granularity
    let found = free.withLock {
      $0.inUse += 1
      return $0.bySize[size]?.popLast()
    }
    return Storage(memory: found ?? FloatMemory.allocate(size), count: count, pool: self)
  }

  func give(_ memory: UnsafeMutableBufferPointer<Float>) {
    // A buffer pointer is a plain address; sending it under the lock hands it over.
    nonisolated(unsafe) let memory = memory
    free.withLock {
      $0.inUse -= 1
      $0.bySize[memory.count, default: []].append(memory)
    }
  }

  /// Buffers that were taken and are not back.
  var inUse: Int { free.withLock { $0.inUse } }

  /// Buffers that wait to be taken.
  var freeCount: Int { free.withLock { $0.bySize.values.reduce(0) { $0 + $1.count } } }

  deinit {
    free.withLock { free in
      for memory in free.bySize.values.joined() { memory.deallocate() }
    }
  }
}
