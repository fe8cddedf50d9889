import Foundation
import TestSupport
import Testing

/// Ranks that are gone, stand still or do not get on: the others name them in time, and nothing hangs.
@Suite struct WatchTests {
  private let settings = ["training.steps=4000", "sampling.every=0", "training.heartbeat_timeout_seconds=3"]

  /// Lines that a rank begins a message with.
  private func messages(_ run: ProcessRun) -> [Substring] {
    run.errorLines.filter { $0.hasPrefix("oboro: ") }
  }

  /// Trains on four ranks, does something to one, and expects an end within `seconds`.
  private func train(
    _ trial: Trial, seconds: Double, environment: [String: String] = [:],
    _ act: (RunningProcess) throws -> Void = { _ in }
  ) throws -> ProcessRun {
    var acted = Date()
    let run = try oboro(trial.arguments(settings), ranks: 4, environment: environment) { job in
      try #require(job.wait { trial.loggedSteps >= 5 }, "\(job.errorsSoFar)")
      acted = Date()
      try act(job)
    }
    let duration = Date().timeIntervalSince(acted)
    #expect(duration < seconds && !run.timedOut, "\(duration) s\n\(run)")
    #expect(![0, 64, 65, 74, 75].contains(run.exitStatus), "\(run)")
    return run
  }

  @Test(arguments: [2, 0]) func aRankThatStandsStillIsNamed(rank: Int) throws {
    let trial = try Trial()
    var stopped: Int32 = 0
    let run = try train(trial, seconds: 20) { job in
      stopped = try #require(job.rank(rank))
      kill(stopped, SIGSTOP)
    }
    #expect(messages(run).count == 1, "\(run)")
    #expect(messages(run).first?.contains("rank \(rank) of 4 on ") == true, "\(run)")
    #expect(messages(run).first?.contains("has not answered for 3 s") == true, "\(run)")
    for other in 0..<4 { #expect(run.errors.contains("\n  rank \(other) on "), "\(run)") }
    #expect(trial.log.contains("error run given up hosts=") && trial.log.contains(" ranks=\(rank) "))
    // Not even what was stopped is left.
    let deadline = Date(timeIntervalSinceNow: 5)
    while kill(stopped, 0) == 0 && Date() < deadline { usleep(20_000) }
    #expect(kill(stopped, 0) != 0)
  }

  @Test func aRankThatAFileSystemKeepsWaitingIsNamed() throws {
    let trial = try Trial()
    let run = try train(trial, seconds: 20, environment: ["OBORO_TEST_FAULT": "dead-file-system:1:8"])
    #expect(messages(run).count == 1, "\(run)")
    #expect(
      run.errors.contains("rank 1 of 4 on ") && run.errors.contains("while reading the images of step 8"),
      "\(run)")
  }

  /// All of a job at once, as a batch system does it: nobody is to blame when it goes on.
  @Test func aJobThatIsSuspendedGoesOn() throws {
    let trial = try Trial()
    let run = try oboro(
      trial.arguments(["training.steps=200", "sampling.every=0", "training.heartbeat_timeout_seconds=2"]),
      ranks: 4
    ) { job in
      try #require(job.wait { trial.loggedSteps >= 5 }, "\(job.errorsSoFar)")
      let ranks = try (0..<4).map { try #require(job.rank($0)) }
      for rank in ranks { kill(rank, SIGSTOP) }
      usleep(6_000_000)
      for rank in ranks { kill(rank, SIGCONT) }
    }
    #expect(run.exitStatus == 0, "\(run)")
    #expect(!trial.log.contains("given up"))
  }

  @Test func withoutATimeoutNobodyIsWatched() throws {
    let trial = try Trial()
    let run = try oboro(
      trial.arguments(["training.steps=400", "sampling.every=0", "training.heartbeat_timeout_seconds=0"]),
      ranks: 2
    ) { job in
      try #require(job.wait { trial.loggedSteps >= 5 }, "\(job.errorsSoFar)")
      let rank = try #require(job.rank(1))
      kill(rank, SIGSTOP)
      usleep(3_000_000)
      kill(rank, SIGCONT)
    }
    #expect(run.exitStatus == 0, "\(run)")
  }
}
