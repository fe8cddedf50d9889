import Kernels

/// What computing needs: the threads, and the memory that tensors come from. One for each rank.
public final class Engine {
  public let threads: ThreadPool
  let buffers = BufferPool()

  /// - Parameter threadCount: threads of this rank; by default one for each core that it is bound to.
  public init(threadCount: Int = ThreadPool.availableCores) {
    threads = ThreadPool(threadCount: threadCount)
  }

  /// Memory of `count` floats, not cleared.
  public func storage(_ count: Int) -> Storage { buffers.take(count) }

  /// Tensors' buffers in use, and kept for later: what tests watch.
  package var bufferCounts: (inUse: Int, free: Int) { (buffers.inUse, buffers.freeCount) }
}
