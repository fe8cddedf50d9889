import Foundation

extension Session {
  /// Runs a whole program as one MPI session, such that a failure of one rank ends all ranks within seconds, with one
  /// message on standard error that names the rank:
  ///
  ///     oboro: rank 1 of 4 on node7: shard train-00003-of-00008.h5: ...
  ///
  /// A failure that the ranks have agreed on (`Communicator.agree`) lets all of them leave `body` first, for up to
  /// `arrivalPeriod` seconds. Any other error ends the other ranks wherever they are.
  ///
  /// - Parameters:
  ///   - program: the program's name, which starts the message.
  ///   - threadLevel: what threads must be allowed to do.
  ///   - startTimeout: seconds after which a rank of a launcher's gives up if MPI has not started, since another rank
  ///     does not come; 0: never; nil: half a minute, and a tenth of a second for each rank.
  ///   - exitStatus: the exit status, 1...255, that an error asks for.
  ///   - body: the program; returns its exit status, which should be the same on all ranks.
  /// - Returns: the exit status. Does not return when a rank of several fails.
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
      // The ranks fail alike here, and do not know each other: what the launcher tells is enough for one message.
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

  /// How long the ranks may take to leave `run`'s body after a failure that they have agreed on, in seconds.
  package static let arrivalPeriod: TimeInterval = 5

  /// Reports `error`, unless another rank does, and ends all ranks. Returns in a world of one.
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

  /// Seconds for which a rank leaves it to others to report. Ranks that fail together take turns, so that the first
  /// one's abort silences the rest; and an error of MPI's own is likely to be the echo of another rank's end.
  private static func patience(of rank: Int, after error: any Error) -> TimeInterval {
    min(Double(rank) * 0.1, 1) + (error is MPIError ? 1 : 0)
  }

  /// Calls `then` when all ranks of the world have come here, or `arrivalPeriod` has passed.
  private func awaitArrival(then: () -> Never) -> Never {
    let deadline = Date(timeIntervalSinceNow: Self.arrivalPeriod)
    let arrival = try? world.immediateBarrier()
    while let isComplete = try? arrival?.test(), !isComplete, Date() < deadline {
      Thread.sleep(forTimeInterval: 0.01)
    }
    // Incomplete, the request would be waited for when released.
    withExtendedLifetime(arrival) { then() }
  }

  /// The exit status of a world of one, which nobody needs to be told of.
  private func leave(_ status: Int32) -> Int32 {
    try? finalize()
    return Self.failureStatus(status)
  }

  /// Writes one line in one piece, so that lines of several ranks do not mix.
  private static func report(_ program: String, _ message: String) {
    // An error that has nothing to say.
    if message.isEmpty || message.hasSuffix(": ") { return }
    FileHandle.standardError.write(Data("\(program): \(message)\n".utf8))
  }
}
