import Kernels
import MPI
import Tensors

/// The ranks of this host, whose memories this one can look at: what comes from them is read where it lies, once, by
/// all threads of the rank that wants it. What comes from others, or lies elsewhere, comes as a message.
final class Neighbours {
  private let memories: [FlatMemory]
  /// What each rank in sight has in the place of `memories`.
  private let views: [Int: [SharedMemory.View]]

  /// Collective.
  ///
  /// - Parameters:
  ///   - memories: in which something will travel; every rank names as many, in the same order.
  ///   - partners: the ranks with which this one will exchange anything.
  /// - Throws: `MPIError`.
  init(sharing memories: [FlatMemory], with partners: some Sequence<Int>, on communicator: Communicator)
    throws
  {
    let hosts = try communicator.allGather(communicator.hostName)
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

  /// What these ranks have in the place of `memory`; nil if it takes messages.
  func floats(of ranks: some Sequence<Int>, like memory: FlatMemory) -> [UnsafePointer<Float>]? {
    guard let place = memories.firstIndex(where: { $0 === memory }) else { return nil }
    var floats: [UnsafePointer<Float>] = []
    for rank in ranks {
      guard let view = views[rank]?[place] else { return nil }
      floats.append(view.pointer.assumingMemoryBound(to: Float.self))
    }
    return floats
  }
}
