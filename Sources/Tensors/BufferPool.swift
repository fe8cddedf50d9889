import Kernels
import Synchronization

/// Keeps the memory of tensors that are gone for tensors to come: a training step asks for the same again and again, and
/// fresh pages from the system cost more than the arithmetic on them.
///
/// Memory comes from the system in large regions, of which tensors get parts, and goes back at the end. So what large
/// tensors have left can be several small ones'.
final class BufferPool: Sendable {
  private struct Regions: @unchecked Sendable {
    // @unchecked: memory in the pool belongs to nobody else.
    var all: [UnsafeMutableBufferPointer<Float>] = []
    var free = FreeBlocks()
    var inUse = 0
    /// Floats that tensors have, of a shared pool: as if each had its own.
    var taken = 0
    /// What all tensors get, of a shared pool.
    var reserved: [SparseMemory] = []

    var count: Int { all.reduce(0) { $0 + $1.count } }
  }

  private let regions = Mutex(Regions())
  /// Whether all tensors get the same memory, which is given back at the end only.
  private let isShared: Bool

  init(isShared: Bool = false) { self.isShared = isShared }

  /// Sizes are rounded up to this many floats: a page, so that no two threads' tensors share a line of the cache.
  private static let granularity = 1024
  /// What a region has at least and, unless a tensor is larger, at most, in floats: 4 and 64 MB. Where nothing has been
  /// written yet, it takes no memory.
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
      // Half as much again as there is.
      let usual = min(max(regions.count / 2, Self.regionSizes.lowerBound), Self.regionSizes.upperBound)
      let region = FloatMemory.allocate(max(size, usual))
      regions.all.append(region)
      regions.free.give(region)
      return regions.free.take(size)!
    }
    return Storage(memory: memory, count: count, pool: self)
  }

  /// The beginning of the largest region, which takes no memory where nothing is written.
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
    // A buffer pointer is a plain address; sending it under the lock hands it over.
    nonisolated(unsafe) let memory = memory
    regions.withLock {
      $0.inUse -= 1
      if isShared { $0.taken -= memory.count } else { $0.free.give(memory) }
    }
  }

  /// Buffers that were taken and are not back.
  var inUse: Int { regions.withLock { $0.inUse } }

  /// Floats that tensors have, of a shared pool.
  var taken: Int { regions.withLock { $0.taken } }

  /// Floats that the system has given.
  var count: Int { regions.withLock { $0.count } }

  deinit {
    regions.withLock { regions in
      for region in regions.all { region.deallocate() }
    }
  }
}
