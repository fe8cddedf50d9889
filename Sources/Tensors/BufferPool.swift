import Kernels
import Synchronization

/// Recycles the memory of freed tensors: every training step allocates the same sizes, and fresh pages from the system
/// cost more than the arithmetic on them.
///
/// The pool allocates large regions, hands out parts of them, and returns them to the system when it is destroyed, so
/// memory freed by one large tensor can serve several small ones.
final class BufferPool: Sendable {
  private struct Regions: @unchecked Sendable {
    // @unchecked: memory in the pool has no other owner.
    var all: [UnsafeMutableBufferPointer<Float>] = []
    var free = FreeBlocks()
    var inUse = 0
    /// In a shared pool, the number of floats in use, counted as if each tensor had memory of its own.
    var taken = 0
    /// In a shared pool, the memory that all tensors share.
    var reserved: [SparseMemory] = []

    var count: Int { all.reduce(0) { $0 + $1.count } }
  }

  private let regions = Mutex(Regions())
  /// Whether all tensors share the same memory, which is released only when the pool is destroyed.
  private let isShared: Bool

  init(isShared: Bool = false) { self.isShared = isShared }

  /// Sizes are rounded up to a multiple of this many floats, a page, so that tensors of different threads never share a
  /// cache line.
  private static let granularity = 1024
  /// The smallest and, unless a tensor needs more, the largest size of a region in floats: 4 and 64 MB. Pages that have
  /// not been written to take no memory.
  private static let regionSizes = 1 << 20...1 << 24

  func take(_ count: Int) -> Storage {
    let size = max((count + Self.granularity - 1) / Self.granularity, 1) * Self.granularity
    let memory = regions.withLock { regions in
      regions.inUse += 1
      if isShared {
        regions.taken += size
        return Self.shared(size, &regions)
      }
      if let found = regions.free.take(size) { return found }
      // Grow the pool by half.
      let usual = min(max(regions.count / 2, Self.regionSizes.lowerBound), Self.regionSizes.upperBound)
      let region = FloatMemory.allocate(max(size, usual))
      regions.all.append(region)
      regions.free.give(region)
      return regions.free.take(size)!
    }
    return Storage(memory: memory, count: count, pool: self)
  }

  /// The start of the largest reserved region, whose pages take no memory until they are written to.
  private static func shared(_ size: Int, _ regions: inout Regions) -> UnsafeMutableBufferPointer<Float> {
    let needed = size * MemoryLayout<Float>.size
    if regions.reserved.last.map({ $0.byteCount < needed }) ?? true {
      let larger = max(needed, 2 * (regions.reserved.last?.byteCount ?? 0))
      guard let memory = SparseMemory(byteCount: larger) ?? SparseMemory(byteCount: needed) else {
        preconditionFailure("the system reserves no \(needed) bytes of addresses")
      }
      regions.reserved.append(memory)
    }
    let start = regions.reserved[regions.reserved.count - 1].pointer
    return UnsafeMutableBufferPointer(start: start.assumingMemoryBound(to: Float.self), count: size)
  }

  func give(_ memory: UnsafeMutableBufferPointer<Float>) {
    // A buffer pointer is a plain address; passing it on under the lock transfers ownership.
    nonisolated(unsafe) let memory = memory
    regions.withLock {
      $0.inUse -= 1
      if isShared { $0.taken -= memory.count } else { $0.free.give(memory) }
    }
  }

  /// The number of buffers taken and not yet returned.
  var inUse: Int { regions.withLock { $0.inUse } }

  /// In a shared pool, the number of floats in use.
  var taken: Int { regions.withLock { $0.taken } }

  /// The number of floats allocated from the system.
  var count: Int { regions.withLock { $0.count } }

  deinit {
    regions.withLock { regions in
      for region in regions.all { region.deallocate() }
    }
  }
}
