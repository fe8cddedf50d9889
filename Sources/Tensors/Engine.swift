import Kernels

/// The resources of a rank's computations: its worker threads and the memory pool of its tensors.
public final class Engine {
  public let threads: ThreadPool
  let buffers: BufferPool

  /// - Parameter threadCount: the number of threads of this rank; by default one for each core that it is bound to.
  public init(threadCount: Int = ThreadPool.availableCores) {
    threads = ThreadPool(threadCount: threadCount)
    buffers = BufferPool()
  }

  /// An engine for results that depend on shapes alone: operations are recorded with their costs, but the loops of
  /// their kernels do nothing. All tensors share the same memory, whose contents are meaningless. Operations must not
  /// do expensive work outside the loops of a `ThreadPool`.
  public static var shapesOnly: Engine { Engine(threads: .idle, buffers: BufferPool(isShared: true)) }

  private init(threads: ThreadPool, buffers: BufferPool) {
    self.threads = threads
    self.buffers = buffers
  }

  /// Uninitialised memory for `count` floats.
  public func storage(_ count: Int) -> Storage { buffers.take(count) }

  /// The number of tensor buffers in use, for tests.
  package var buffersInUse: Int { buffers.inUse }

  /// For a shapes-only engine, the number of floats that tensors would occupy now.
  package var floatsInShapes: Int { buffers.taken }

  /// The number of floats allocated from the system for tensors, in use or not.
  package var bufferMemory: Int { buffers.count }
}
