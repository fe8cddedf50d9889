import MPI

/// Lets all ranks agree, at each step of work that takes minutes, whether any of them was asked to stop, so that no
/// rank continues towards a result that the others have abandoned.
///
/// Ranks with fewer steps check as often as the others; see `finish`.
struct SharedStop {
  /// Thrown on all ranks at the same step.
  struct Stopped: Error {
    let reason: String
  }

  private let request: StopRequest
  private let communicator: Communicator
  private var remaining: Int

  /// - Parameter steps: the number of steps of the rank that has the most.
  init(_ request: StopRequest, steps: Int, on communicator: Communicator) {
    self.request = request
    self.communicator = communicator
    remaining = steps
  }

  /// Marks one step as done. Collective.
  ///
  /// - Throws: `Stopped`, on all ranks or on none; `MPIError`.
  mutating func check() throws {
    remaining -= 1
    let reason = request.reason
    let lowest = try communicator.allReduce(reason == nil ? communicator.size : communicator.rank, .min)
    guard lowest < communicator.size else { return }
    throw Stopped(reason: "\(try communicator.broadcast(reason ?? "", root: lowest)) on rank \(lowest)")
  }

  /// Marks this rank as done, while other ranks may have steps left. Collective.
  ///
  /// - Throws: as `check`.
  mutating func finish() throws {
    while remaining > 0 { try check() }
  }
}
