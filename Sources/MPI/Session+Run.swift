import Foundation

extension Session {
  /// Runs a whole program as one MPI session, so that a failure on one rank ends all ranks within seconds, with a
  /// single message on standard error that names the rank:
  ///
  ///     oboro: rank 1 of 4 on node7: shard train-00003-of-00008.h5: ...
  ///
  /// After a failure that the ranks have agreed on (`Communicator.agree`), all ranks get up to `arrivalPeriod` seconds
  /// to leave `body`. Any other error ends the other ranks wherever they are.
  ///
  /// - Parameters:
  ///   - program: the program's name, used as the prefix of the message.
  ///   - threadLevel: the required thread support.
  ///   - startTimeout: seconds after which a rank started by a launcher gives up if MPI has not started because another
  ///     rank is missing; 0 means never; nil means 30 s plus 0.1 s per rank.
  ///   - exitStatus: maps an error to its exit status, 1...255.
  ///   - body: the program; returns its exit status, which should be the same on all ranks.
  /// - Returns: the exit status. Does not return if one of several ranks fails.
  public static func run(
    program: String, threadLevel: ThreadLevel = .multiple, startTimeout: Double? = nil,
    exitStatus: @escaping @Sendable (any Error) -> Int32 = { _ in 1 },
    body: (Session) throws -> Int32
  ) -> Int32 {
    let launcher = Launcher.current
    let deadline = launcher.flatMap { launcher -> StartDeadline? in
      let seconds = startTimeout ?? StartDeadline.seconds(processCount: launcher.processCount)
      return seconds > 0 ? StartDeadline(seconds: seconds, program: program, launcher: launcher) : nil
    }
    let session: Session
    do {
      session = try Session(threadLevel: threadLevel, exitStatus: exitStatus)
      deadline?.meet()
    } catch {
      deadline?.meet()
      // The ranks fail alike here and do not know each other; the rank given by the launcher suffices to print one
      // message.
      if launcher?.rank ?? 0 == 0 { report(program, "\(error)") }
      return failureStatus(exitStatus(error))
    }
    do {
      let status = try body(session)
      try session.finalize()
      return status
    } catch {
      return session.end(program, error, exitStatus(error))
    }
  }

  /// Seconds the ranks get to leave the body of `run` after a failure that they have agreed on.
  package static let arrivalPeriod: TimeInterval = 5

  /// Reports `error`, unless another rank does, and ends all ranks. Returns only in a world of one.
  private func end(_ program: String, _ error: any Error, _ status: Int32) -> Int32 {
    if let failure = error as? CollectiveFailure {
      if failure.isReporter { Self.report(program, failure.description) }
      if world.size == 1 { return leave(failure.exitStatus) }
      awaitArrival(then: {
        if !failure.isReporter { Thread.sleep(forTimeInterval: Self.arrivalPeriod) }
        abort(code: failure.exitStatus)
      })
    }
    if world.size > 1 { Thread.sleep(forTimeInterval: Self.patience(of: world.rank, after: error)) }
    let message = CollectiveFailure.describe(
      "\(error)", rank: world.rank, worldSize: world.size, host: processorName)
    Self.report(program, message)
    if world.size == 1 { return leave(status) }
    abort(code: status)
  }

  /// Seconds for which a rank lets others report first. Ranks that fail together take turns, so that the first one's
  /// abort silences the rest; an MPI error is likely to be a consequence of another rank's failure.
  private static func patience(of rank: Int, after error: any Error) -> TimeInterval {
    min(Double(rank) * 0.1, 1) + (error is MPIError ? 1 : 0)
  }

  /// Calls `then` once all ranks of the world have arrived here, or `arrivalPeriod` has passed.
  private func awaitArrival(then: () -> Never) -> Never {
    let deadline = Date(timeIntervalSinceNow: Self.arrivalPeriod)
    let arrival = try? world.immediateBarrier()
    while let isComplete = try? arrival?.test(), !isComplete, Date() < deadline {
      Thread.sleep(forTimeInterval: 0.01)
    }
    // Releasing the request while incomplete would wait for it.
    withExtendedLifetime(arrival) { then() }
  }

  /// Leaves a world of one, in which no other rank needs to be aborted.
  private func leave(_ status: Int32) -> Int32 {
    try? finalize()
    return Self.failureStatus(status)
  }

  /// Writes a line with a single call, so that the output of several ranks is not interleaved.
  private static func report(_ program: String, _ message: String) {
    FileHandle.standardError.write(Data("\(program): \(message)\n".utf8))
  }
}
