/// A buffer that grows to the largest size requested.
final class Scratch {
  private enum Memory {
    case full(UnsafeMutableBufferPointer<Float>)
    case sparse(SparseMemory)
  }

  private var memory: Memory?
  private var count = 0
  private let isSparse: Bool

  /// - Parameter isSparse: whether the memory is only reserved, for an idle pool that never writes to it.
  init(isSparse: Bool) { self.isSparse = isSparse }

  func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
    if count > self.count || memory == nil { grow(to: max(count, 1)) }
    switch memory {
    case .full(let memory): return memory.baseAddress!
    case .sparse(let memory): return memory.pointer.assumingMemoryBound(to: Float.self)
    case nil: preconditionFailure("no memory for \(count) floats")
    }
  }

  private func grow(to count: Int) {
    release()
    if isSparse {
      memory = SparseMemory(byteCount: count * MemoryLayout<Float>.size).map { .sparse($0) }
    } else {
      memory = .full(FloatMemory.allocate(count))
    }
    self.count = count
  }

  private func release() {
    if case .full(let memory) = memory { memory.deallocate() }
    memory = nil
  }

  deinit { release() }
}
