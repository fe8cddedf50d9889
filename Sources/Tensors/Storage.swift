import Kernels

/// The memory of a tensor, returned to its pool when the last reference is released.
public final class Storage {
  public let pointer: UnsafeMutablePointer<Float>
  public let count: Int
  private let memory: UnsafeMutableBufferPointer<Float>?
  private let pool: BufferPool?
  /// Keeps the memory alive that this storage only views.
  private let owner: AnyObject?

  init(memory: UnsafeMutableBufferPointer<Float>, count: Int, pool: BufferPool) {
    precondition(memory.count >= count, "\(memory.count) floats are fewer than \(count)")
    pointer = memory.baseAddress!
    self.count = count
    self.memory = memory
    self.pool = pool
    owner = nil
  }

  /// A view of memory that `owner` keeps alive.
  init(viewing pointer: UnsafeMutablePointer<Float>, count: Int, owner: AnyObject) {
    self.pointer = pointer
    self.count = count
    self.owner = owner
    memory = nil
    pool = nil
  }

  deinit {
    if let memory { pool?.give(memory) }
  }

  /// The floats, for reading and writing.
  public var elements: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(start: pointer, count: count)
  }
}
