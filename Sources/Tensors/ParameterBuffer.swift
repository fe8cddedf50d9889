import Kernels

/// All parameters of a model, or one number for each of them (gradients, moments), one after the other.
///
/// `@unchecked Sendable`: who writes and who reads is agreed between the threads that share it.
public final class ParameterBuffer: @unchecked Sendable {
  public let count: Int
  private let memory: UnsafeMutableBufferPointer<Float>
  /// What `memory` is part of, if other processes can look at it.
  private let shared: SharedMemory?
  /// What `memory` is part of, if it is sparse.
  private let sparse: SparseMemory?
  /// What `memory` is part of, if it is another process's.
  private let view: SharedMemory.View?

  /// `count` zeros.
  ///
  /// - Parameters:
  ///   - isShared: whether other processes of this host are to find it, where the system lets them.
  ///   - isSparse: whether it is to take memory only where something has been written.
  public init(count: Int, isShared: Bool = false, isSparse: Bool = false) {
    self.count = count
    view = nil
    let byteCount = FloatMemory.byteCount(count)
    shared = isShared ? SharedMemory(byteCount: byteCount) : nil
    sparse = isSparse && shared == nil ? SparseMemory(byteCount: byteCount) : nil
    let pointer = shared?.pointer ?? sparse?.pointer
    memory = pointer.map { FloatMemory.view($0, count) } ?? FloatMemory.allocate(count)
    if sparse == nil { clear() }
  }

  /// `count` floats that another process of this host has, to be read only.
  public init(viewing view: SharedMemory.View, count: Int) {
    self.count = count
    shared = nil
    sparse = nil
    self.view = view
    memory = FloatMemory.view(UnsafeMutableRawPointer(mutating: view.pointer), count)
  }

  deinit { if shared == nil && sparse == nil && view == nil { memory.deallocate() } }

  /// Where other processes find it; nil if only this one does.
  public var address: SharedMemory.Address? { shared?.address }

  public var pointer: UnsafeMutablePointer<Float> { memory.baseAddress! }
  /// Whether another process has it.
  public var isView: Bool { view != nil }

  public var elements: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(rebasing: memory[..<count])
  }

  /// Of sparse memory: it is used as a whole after all.
  public func enlargePages() { sparse?.enlargePages() }

  public func clear() { memory.baseAddress!.update(repeating: 0, count: memory.count) }

  public func copy(from other: ParameterBuffer) {
    precondition(count == other.count, "\(other.count) floats do not fit \(count)")
    pointer.update(from: other.pointer, count: count)
  }
}
