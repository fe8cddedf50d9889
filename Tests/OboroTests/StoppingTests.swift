import Foundation
import TestSupport
import Testing

/// Runs that end before their last step, by request or by force, and go on.
@Suite struct StoppingTests {
  /// Does something to a long run once it has done 20 steps, takes it up, and expects what an undisturbed run gives.
  ///
  /// - Parameters:
  ///   - resumedRanks: what the rest runs on.
  ///   - stopped: checks how the first part ended.
  private func interrupt(
    ranks: Int? = nil, resumedRanks: Int? = nil, _ act: (RunningProcess) throws -> Void,
    stopped: (ProcessRun, Trial) throws -> Void, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let trial = try Trial()
    let arguments = try trial.arguments(Reference.longSettings)
    let first = try oboro(arguments, ranks: ranks) { process in
      let isUnderWay = process.wait { trial.loggedSteps >= 20 && exists("\(trial.run)/checkpoints/latest") }
      try #require(isUnderWay && process.isRunning, "\(process.errorsSoFar)", sourceLocation: sourceLocation)
      try act(process)
    }
    #expect(!first.timedOut, "\(first)", sourceLocation: sourceLocation)
    try stopped(first, trial)
    let rest = try oboro(arguments, ranks: resumedRanks)
    #expect(rest.exitStatus == 0, "\(rest)", sourceLocation: sourceLocation)
    #expect(rest.errors.contains("going on"), "\(rest)", sourceLocation: sourceLocation)
    try trial.record.expectSame(as: Reference.long.get().record, sourceLocation: sourceLocation)
  }

  /// Expects a checkpoint of the last step that was done.
  private func expectSaved(_ trial: Trial) throws {
    let step = trial.loggedSteps
    #expect(step >= 20 && step < Reference.longSteps)
    #expect(
      names(in: trial.checkpoint(step)).count == 3, "step \(step): \(names(in: "\(trial.run)/checkpoints"))")
    #expect(try trial.record.latest == stepName(step))
  }

  @Test(arguments: [("SIGTERM", SIGTERM, nil), ("SIGINT", SIGINT, 2)] as [(String, Int32, Int?)])
  func aSignalSavesAndStops(name: String, signal: Int32, resumedRanks: Int?) throws {
    try interrupt(resumedRanks: resumedRanks, { $0.send(signal) }) { run, trial in
      #expect(run.exitStatus == 75, "\(run)")
      #expect(
        run.errors.contains("oboro: stopped by \(name) on rank 0 after step \(trial.loggedSteps)"), "\(run)")
      try expectSaved(trial)
    }
  }

  @Test func aSignalToOneRankStopsAll() throws {
    try interrupt(ranks: 2, { kill(try #require($0.rank(1)), SIGUSR1) }) { run, trial in
      #expect(run.exitStatus == 75, "\(run)")
      #expect(run.errors.contains("oboro: stopped by SIGUSR1 on rank 1 after step"), "\(run)")
      try expectSaved(trial)
    }
  }

  /// mpirun answers Ctrl-C with a SIGTERM to its ranks and an exit status of its own.
  @Test func controlCOnMPIRunSavesAndStops() throws {
    try interrupt(ranks: 2, resumedRanks: 2, { $0.send(SIGINT) }) { run, trial in
      #expect(run.exitStatus != 0, "\(run)")
      try expectSaved(trial)
    }
  }

  /// Nothing of what was done since the last checkpoint counts, and nothing is counted twice.
  @Test func aKilledRunGoesOnFromItsLastCheckpoint() throws {
    try interrupt({ $0.send(SIGKILL) }) { run, trial in
      #expect(run.exitStatus == 128 + SIGKILL, "\(run)")
      // The process may have died between a step's line and its checkpoint, or before that was complete.
      let (steps, interval) = (trial.loggedSteps, Reference.longInterval)
      #expect(steps >= 20 && steps < Reference.longSteps)
      let last = steps / interval * interval
      let latest = try trial.record.latest
      #expect(
        (0...2).map { stepName(last - $0 * interval) }.contains(latest), "after \(steps) steps: \(latest)")
    }
  }

  @Test func aSecondControlCStopsAtOnce() throws {
    let trial = try Trial()
    // One step of this takes seconds.
    let run = try trial.train("training.batch_size=2048", "training.microbatches=1", "sampling.every=0") {
      process in
      let hasBegun = process.wait { exists("\(trial.run)/metrics.jsonl") }
      try #require(hasBegun, "\(process.errorsSoFar)")
      usleep(300_000)
      process.send(SIGINT)
      usleep(300_000)
      #expect(process.isRunning, "the first one ends it")
      process.send(SIGINT)
      let deadline = Date(timeIntervalSinceNow: 1)
      while process.isRunning && Date() < deadline { usleep(5000) }
      #expect(!process.isRunning, "the second one does not")
    }
    #expect(run.exitStatus == 128 + SIGINT, "\(run)")
    #expect(!trial.log.contains("checkpoint saved"))
  }

  @Test func aFinishedRunIsLeftAlone() throws {
    let trial = try Reference.copyOfShort()
    let modified = { (name: String) in
      try FileManager.default.attributesOfItem(atPath: "\(trial.run)/\(name)")[.modificationDate] as? Date
    }
    let files = ["config.yaml", "metrics.jsonl", "checkpoints", "checkpoints/step-00000008", "samples"]
    let before = try files.map(modified)
    let record = try trial.record
    let run = try trial.train()
    #expect(run.exitStatus == 0, "\(run)")
    #expect(run.errors.contains("nothing left to do"), "\(run)")
    try trial.record.expectSame(as: record)
    #expect(try files.map(modified) == before)
  }

  @Test func twoProcessesDoNotTrainInOneDirectory() throws {
    let trial = try Trial()
    // The second one waits some seconds for the first to end, which must not be done by then.
    let settings = Reference.longSettings + ["training.steps=1000000"]
    _ = try oboro(trial.arguments(settings)) { process in
      #expect(process.wait { trial.loggedSteps >= 1 })
      let second = try oboro(trial.arguments(settings))
      expectFailure(second, 74, "another process is training in \(trial.run)", "--output")
      process.send(SIGTERM)
    }
    // A process that is gone holds nothing, however it went.
    try trial.trainToEnd("training.steps=30", options: ["--allow-changes"])
  }
}
