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

  /// Tensors' buffers in use: what tests watch.
  package var buffersInUse: Int { buffers.inUse }

  /// Floats that the system has given for tensors, in use or not.
  package var bufferMemory: Int { buffers.count }
}
