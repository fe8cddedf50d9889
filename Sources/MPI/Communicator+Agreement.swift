extension Communicator {
  /// Runs `body` on every rank and returns only if it succeeded on all of them: otherwise, a rank that failed alone
  /// would leave the others waiting for it in their next collective. Collective.
  /// - Parameter body: local work, such as opening files. It must not communicate with other ranks.
  /// - Returns: what `body` returned on this rank.
  /// - Throws: `CollectiveFailure` on every rank when `body` failed on any; `MPIError`.
  public func agree<T>(_ body: () throws -> T) throws -> T {
    let outcome = Result { try body() }
    let ownError: (any Error)? = if case .failure(let error) = outcome { error } else { nil }
    let lowest = try allReduce(ownError == nil ? size : rank, .min)
    guard lowest < size else { return try outcome.get() }

    let status = Session.failureStatus(ownError.map(library.exitStatus) ?? 0)
    throw CollectiveFailure(
      rank: try broadcast(Library.worldRank, root: lowest),
      worldSize: Library.worldSize,
      host: try broadcast(Library.processorName, root: lowest),
      message: try broadcast(ownError.map { "\($0)" } ?? "", root: lowest),
      exitStatus: try broadcast(status, root: lowest),
      isReporter: rank == lowest,
      ownError: ownError)
  }
}
