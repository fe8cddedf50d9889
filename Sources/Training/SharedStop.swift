import MPI

/// Asks all ranks, at each step of work that takes minutes, whether one was asked to stop: so that none goes on for an
/// answer that nobody waits for.
///
/// Ranks that have fewer steps than others ask as often as they do, see `finish`.
struct SharedStop {
  /// Thrown on all ranks at the same step.
  struct Stopped: Error {
    let reason: String
  }

  private let request: StopRequest
  private let communicator: Communicator
  private var remaining: Int

  /// - Parameter steps: of the rank that has most.
  init(_ request: StopRequest, steps: Int, on communicator: Communicator) {
    self.request = request
    self.communicator = communicator
    remaining = steps
  }

  /// One step is done. Collective.
  ///
  /// - Throws: `Stopped`, on all ranks or on none; `MPIError`.
  mutating func check() throws {
    remaining -= 1
    let reason = request.reason
    let lowest = try communicator.allReduce(reason == nil ? communicator.size : communicator.rank, .min)
    guard lowest < communicator.size else { return }
    throw Stopped(reason: "\(try communicator.broadcast(reason ?? "", root: lowest)) on rank \(lowest)")
  }

  /// This rank has no more steps, others may. Collective.
  ///
  /// - Throws: as `check`.
  mutating func finish() throws {
    while remaining > 0 { try check() }
  }
}
