import Kernels
import MPI
import Tensors

/// Weights that every rank reads and none modifies, stored once per host: one rank owns the memory and the others map
/// it.
public struct FrozenWeights: Sendable {
  public let memory: ParameterBuffer
  /// Whether this rank read the weights itself rather than mapping another rank's memory.
  public var isOwn: Bool { !memory.isView }

  /// Collective.
  ///
  /// - Parameter read: fills the memory; called on one rank of each host, and on ranks that cannot map that rank's
  ///   memory.
  /// - Throws: `CollectiveFailure` with what `read` throws; `MPIError`.
  public init(
    count: Int, on communicator: Communicator, read: (ParameterBuffer) throws -> Void
  ) throws {
    let hosts = try communicator.allGather(communicator.hostName)
    let leader = hosts.firstIndex(of: hosts[communicator.rank]) ?? communicator.rank
    var memory = try communicator.agree { () -> ParameterBuffer? in
      guard leader == communicator.rank else { return nil }
      let memory = ParameterBuffer(count: count, isShared: communicator.size > 1)
      try read(memory)
      return memory
    }
    let nowhere = [Int](repeating: 0, count: SharedMemory.Address.size)
    let addresses = try communicator.allGather(memory?.address?.numbers ?? nowhere)
    if memory == nil, let view = SharedMemory.View(SharedMemory.Address(numbers: addresses[leader])) {
      memory = ParameterBuffer(viewing: view, count: count)
    }
    self.memory = try communicator.agree {
      if let memory { return memory }
      let own = ParameterBuffer(count: count)
      try read(own)
      return own
    }
  }
}
