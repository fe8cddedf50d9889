import Kernels
import MPI
import Tensors

/// The ranks on this host whose memory this rank can map. Their data are read in place, once, by all threads of the
/// reading rank. Data from other ranks, or in other memory, are sent in messages.
final class LocalPeers {
  private let communicator: Communicator
  private let memories: [ParameterBuffer]
  /// Each visible rank's counterparts of `memories`.
  private let views: [Int: [SharedMemory.View]]

  /// Collective.
  ///
  /// - Parameters:
  ///   - memories: the buffers that will be exchanged; every rank passes the same number of them, in the same order.
  ///   - partners: the ranks with which this one will exchange data.
  ///   - hosts: the host name of every rank.
  /// - Throws: `MPIError`.
  init(
    sharing memories: [ParameterBuffer], with partners: some Sequence<Int>, hosts: [String],
    on communicator: Communicator
  ) throws {
    self.communicator = communicator
    let nowhere = [Int](repeating: 0, count: SharedMemory.Address.size)
    let addresses = try communicator.allGather(memories.flatMap { $0.address?.numbers ?? nowhere })
    var views: [Int: [SharedMemory.View]] = [:]
    for rank in Set(partners) where hosts[rank] == hosts[communicator.rank] {
      views[rank] = memories.indices.compactMap { index in
        let numbers = addresses[rank][index * nowhere.count..<(index + 1) * nowhere.count]
        return SharedMemory.View(SharedMemory.Address(numbers: Array(numbers)))
      }
    }
    // All or none: a rank that maps its partners' memory does not send to them.
    let allSee = try communicator.allHold(views.values.allSatisfy { $0.count == memories.count })
    self.memories = allSee ? memories : []
    self.views = allSee ? views : [:]
  }

  /// Whether everything is sent in messages.
  var isEmpty: Bool { memories.isEmpty || views.isEmpty }

  /// Begins an exchange with the given ranks' counterparts of `memory`; nil if messages must be used.
  func sharedExchange(_ ranks: [Int], for memory: ParameterBuffer, tag: Int) throws -> SharedMemoryExchange? {
    guard let place = memories.firstIndex(where: { $0 === memory }) else { return nil }
    let seen = ranks.compactMap { views[$0]?[place].pointer.assumingMemoryBound(to: Float.self) }
    guard seen.count == ranks.count else { return nil }
    return try SharedMemoryExchange(ranks, memories: seen, over: communicator, tag: tag)
  }
}
