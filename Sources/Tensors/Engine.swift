import Kernels

/// What computing needs: the threads, and the memory that tensors come from. One for each rank.
public final class Engine {
  public let threads: ThreadPool
  let buffers: BufferPool

  /// - Parameter threadCount: threads of this rank; by default one for each core that it is bound to.
  public init(threadCount: Int = ThreadPool.availableCores) {
    threads = ThreadPool(threadCount: threadCount)
    buffers = BufferPool()
  }

  /// For what follows from shapes alone: operations are recorded with what they would compute, and compute nothing,
  /// since their kernels' loops do nothing. All tensors share one memory, whose content means nothing. Outside of the
  /// loops of a `ThreadPool`, operations must not do what takes long.
  public static var shapesOnly: Engine { Engine(threads: .idle, buffers: BufferPool(isShared: true)) }

  private init(threads: ThreadPool, buffers: BufferPool) {
    self.threads = threads
    self.buffers = buffers
  }

  /// Memory of `count` floats, not cleared.
  public func storage(_ count: Int) -> Storage { buffers.take(count) }

  /// Tensors' buffers in use: what tests watch.
  package var buffersInUse: Int { buffers.inUse }

  /// Of an engine for shapes: floats that tensors would have now.
  package var floatsInShapes: Int { buffers.taken }

  /// Floats that the system has given for tensors, in use or not.
  package var bufferMemory: Int { buffers.count }
}
