import Kernels

/// All parameters of a model, or one number for each of them (gradients, moments), one after the other.
///
/// `@unchecked Sendable`: who writes and who reads is agreed between the threads that share it.
public final class FlatMemory: @unchecked Sendable {
  public let count: Int
  private let memory: UnsafeMutableBufferPointer<Float>

  /// `count` zeros.
  public init(count: Int) {
    self.count = count
    memory = FloatMemory.allocate(count)
    clear()
  }

  deinit { memory.deallocate() }

  public var pointer: UnsafeMutablePointer<Float> { memory.baseAddress! }
  public var elements: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(rebasing: memory[..<count])
  }

  public func clear() { memory.baseAddress!.update(repeating: 0, count: memory.count) }

  public func copy(from other: FlatMemory) {
    precondition(count == other.count, "\(other.count) floats do not fit \(count)")
    pointer.update(from: other.pointer, count: count)
  }
}
