import MPI

extension CheckpointStore {
  /// Restores the newest undamaged checkpoint on all ranks; returns nil if there are no checkpoints. Collective.
  ///
  /// - Parameters:
  ///   - isAccepted: called on all ranks before the contents of a checkpoint are read; an error that it throws ends the
  ///     search.
  ///   - onDamage: called on all ranks for each newer checkpoint that is damaged.
  /// - Throws: `CollectiveFailure` if there are checkpoints but all are damaged, or if the newest undamaged one belongs
  ///   to another model; `MPIError`.
  package func restoreNewest(
    _ state: ShardedState, on communicator: Communicator, isAccepted: (Checkpoint) throws -> Void,
    onDamage: (CheckpointError) -> Void
  ) throws -> Checkpoint? {
    let found: [Int] = try communicator.agree { communicator.rank == 0 ? try self.steps() : [] }
    let steps = try communicator.broadcast(found)
    var damaged: [Int: CheckpointError] = [:]
    for step in steps {
      do {
        let checkpoint = try open(step, on: communicator)
        try communicator.agree { try isAccepted(checkpoint) }
        try checkpoint.restore(state, on: communicator)
        return checkpoint
      } catch let error as CheckpointError {
        if !error.isDamage { try communicator.agree { throw error } }
        damaged[step] = error
        onDamage(error)
      }
    }
    if damaged.isEmpty { return nil }
    return try communicator.agree { throw noneIsGood(damaged) }
  }

  /// Opens the checkpoint on rank 0 and broadcasts its manifest. Collective.
  ///
  /// - Throws: `CheckpointError`, the same on all ranks.
  private func open(_ step: Int, on communicator: Communicator) throws -> Checkpoint {
    var problem: CheckpointError?
    let text: String = try communicator.agree {
      guard communicator.rank == 0 else { return "" }
      do {
        return try Checkpoint(opening: path(step), verifying: false).manifest.json
      } catch let error as CheckpointError {
        problem = error
        return ""
      }
    }
    let code = try communicator.broadcast(Int(problem?.code ?? 0))
    let words = try [problem?.path ?? "", problem?.problem ?? ""].map { try communicator.broadcast($0) }
    if !words[1].isEmpty {
      throw CheckpointError(words[0], words[1], code: code == 0 ? nil : Int32(code))
    }
    let manifest = try CheckpointManifest(
      of: Array(try communicator.broadcast(text).utf8), in: path(step))
    return Checkpoint(directory: path(step), manifest: manifest)
  }
}
