import Kernels
import MPI
import Tensors

/// The ranks of this host, whose memories this one can look at: what comes from them is read where it lies, once, by
/// all threads of the rank that wants it. What comes from others, or lies elsewhere, comes as a message.
final class LocalPeers {
  private let communicator: Communicator
  private let memories: [ParameterBuffer]
  /// What each rank in sight has in the place of `memories`.
  private let views: [Int: [SharedMemory.View]]

  /// Collective.
  ///
  /// - Parameters:
  ///   - memories: in which something will travel; every rank names as many, in the same order.
  ///   - partners: the ranks with which this one will exchange anything.
  ///   - hosts: all ranks'.
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
    // All or none: who looks does not send.
    let allSee = try communicator.allHold(views.values.allSatisfy { $0.count == memories.count })
    self.memories = allSee ? memories : []
    self.views = allSee ? views : [:]
  }

  /// Whether messages are what all that travels needs.
  var isEmpty: Bool { memories.isEmpty || views.isEmpty }

  /// Begins to look at what these ranks have in the place of `memory`; nil if it takes messages.
  func sharedExchange(_ ranks: [Int], for memory: ParameterBuffer, tag: Int) throws -> SharedMemoryExchange? {
    guard let place = memories.firstIndex(where: { $0 === memory }) else { return nil }
    let seen = ranks.compactMap { views[$0]?[place].pointer.assumingMemoryBound(to: Float.self) }
    guard seen.count == ranks.count else { return nil }
    return try SharedMemoryExchange(ranks, memories: seen, over: communicator, tag: tag)
  }
}
