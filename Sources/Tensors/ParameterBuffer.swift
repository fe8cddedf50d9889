import Kernels

/// The flat memory of a model's parameters, or of one value per parameter element (gradients, moments).
///
/// `@unchecked Sendable`: the threads that share a buffer synchronise their reads and writes themselves.
public final class ParameterBuffer: @unchecked Sendable {
  public let count: Int
  private let memory: UnsafeMutableBufferPointer<Float>
  /// The owner of `memory`, if other processes can map it.
  private let shared: SharedMemory?
  /// The owner of `memory`, if it is sparse.
  private let sparse: SparseMemory?
  /// The owner of `memory`, if it belongs to another process.
  private let view: SharedMemory.View?

  /// Allocates `count` zeros.
  ///
  /// - Parameters:
  ///   - isShared: whether other processes on this host can map the buffer, where the system supports it.
  ///   - isSparse: whether pages take memory only once they are written to.
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

  /// A read-only view of `count` floats of another process on this host.
  public init(viewing view: SharedMemory.View, count: Int) {
    self.count = count
    shared = nil
    sparse = nil
    self.view = view
    memory = FloatMemory.view(UnsafeMutableRawPointer(mutating: view.pointer), count)
  }

  deinit { if shared == nil && sparse == nil && view == nil { memory.deallocate() } }

  /// The address at which other processes can map the buffer; nil if it is private.
  public var address: SharedMemory.Address? { shared?.address }

  public var pointer: UnsafeMutablePointer<Float> { memory.baseAddress! }
  /// Whether the memory belongs to another process.
  public var isView: Bool { view != nil }

  public var elements: UnsafeMutableBufferPointer<Float> {
    UnsafeMutableBufferPointer(rebasing: memory[..<count])
  }

  /// For sparse memory that turns out to be used as a whole: lets the system use huge pages.
  public func enlargePages() { sparse?.enlargePages() }

  public func clear() { memory.baseAddress!.update(repeating: 0, count: memory.count) }

  public func copy(from other: ParameterBuffer) {
    precondition(count == other.count, "\(other.count) floats do not fit \(count)")
    pointer.update(from: other.pointer, count: count)
  }
}
