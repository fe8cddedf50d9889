import Foundation
import TestSupport
import Testing

/// One rank of two fails alone: the job ends within seconds, with one message that names the rank.
@Suite struct RankFailureTests {
  /// Runs `oboro train` on two ranks, rank 1 after `prelude`, a line of the shell's. The dataset's path is `data`, so
  /// that a rank in another folder sees another dataset.
  private func train(
    _ trial: Trial, prelude: String, _ settings: [String] = [], more: String = "",
    environment: [String: String] = [:], whileRunning: (RunningProcess) throws -> Void = { _ in }
  ) throws -> ProcessRun {
    let arguments = try trial.arguments(settings, dataset: "data")
    let command = ([try Products.executable("oboro").path] + arguments).map { "'\($0)'" }.joined(
      separator: " ")
    let script = """
      if [ $OMPI_COMM_WORLD_RANK = 1 ]; then \(prelude); exec \(command) \(more); fi
      exec \(command)
      """
    return try MPIJob.run(
      ranks: 2, URL(filePath: "/usr/bin/env"), ["bash", "-c", script],
      environment: ["OBORO_THREADS": "1"].merging(environment) { $1 },
      directory: URL(filePath: trial.path), timeout: 60, whileRunning: whileRunning)
  }

  private func makeTrial() throws -> Trial {
    let trial = try Trial()
    try copy(try Trial.path(), to: "\(trial.path)/data")
    try FileManager.default.createDirectory(
      atPath: "\(trial.path)/elsewhere", withIntermediateDirectories: true)
    return trial
  }

  @Test func aDatasetThatOneRankLacks() throws {
    let trial = try makeTrial()
    let run = try train(trial, prelude: "cd elsewhere")
    expectFailure(run, 65, "oboro: rank 1 of 2 on ", "data: does not exist")
    #expect(run.duration < 20 && !exists(trial.run), "\(run)")
  }

  @Test func aDatasetThatDiffersOnOneRank() throws {
    let trial = try makeTrial()
    try copy(try Trial.path(of: Trial.otherDataset), to: "\(trial.path)/elsewhere/data")
    let run = try train(trial, prelude: "cd elsewhere")
    expectFailure(run, 65, "oboro: rank 1 of 2 on ", "rank 1 has another dataset than rank 0")
    #expect(!exists(trial.run))
  }

  @Test func aConfigurationThatDiffersOnOneRank() throws {
    let trial = try makeTrial()
    let run = try train(trial, prelude: ":", more: "--set training.seed=1")
    expectFailure(run, 65, "oboro: rank 1 of 2 on ", "rank 1 has another configuration than rank 0")
    #expect(!exists(trial.run))
  }

  @Test func anEnvironmentThatIsWrongOnOneRank() throws {
    let run = try train(makeTrial(), prelude: "export OBORO_THREADS=abc")
    expectFailure(run, 64, "oboro: rank 1 of 2 on ", "OBORO_THREADS must be 1 to 4096, is \"abc\"")
  }

  /// The other one waits for it in `MPI_Init`, where no watch is kept yet.
  @Test(arguments: ["sleep 300", "kill -STOP $$"]) func aRankThatDoesNotStart(prelude: String) throws {
    let trial = try makeTrial()
    let run = try train(trial, prelude: prelude, environment: ["OBORO_START_TIMEOUT": "3"])
    expectFailure(run, 1, "oboro: rank 0 of 2 on ", "MPI has not started within 3 s")
    #expect(run.duration > 3 && run.duration < 30 && !exists(trial.run), "\(run)")
  }

  @Test func aTimeToStartThatIsNone() throws {
    let run = try train(makeTrial(), prelude: "export OBORO_START_TIMEOUT=soon")
    expectFailure(
      run, 64, "oboro: rank 1 of 2 on ", "OBORO_START_TIMEOUT must be 0 (never) to 86400 seconds, is \"soon\""
    )
  }

  @Test func aDiskThatFailsUnderOneRankWhileItTrains() throws {
    let trial = try makeTrial()
    try copy("\(trial.path)/data", to: "\(trial.path)/elsewhere/data")
    var failure = Date()
    let run = try train(trial, prelude: "cd elsewhere", ["training.steps=4000", "sampling.every=0"]) { job in
      try #require(job.wait { trial.loggedSteps >= 3 }, "\(job.errorsSoFar)")
      for shard in 0..<2 { truncate("\(trial.path)/elsewhere/data/train-0000\(shard)-of-00002.h5", 100) }
      failure = Date()
    }
    #expect(Date().timeIntervalSince(failure) < 20, "\(run)")
    expectFailure(
      run, 65, "oboro: rank 1 of 2 on ", "data/train-0000", "; it had 29696 bytes when it was opened")
  }

  @Test func aRankThatIsKilled() throws {
    let trial = try makeTrial()
    var death = Date()
    let run = try train(trial, prelude: ":", ["training.steps=4000", "sampling.every=0"]) { job in
      try #require(job.wait { trial.loggedSteps >= 3 }, "\(job.errorsSoFar)")
      kill(try #require(job.rank(1)), SIGKILL)
      death = Date()
    }
    #expect(Date().timeIntervalSince(death) < 20, "\(run)")
    #expect(run.exitStatus == 128 + SIGKILL, "\(run)")
    #expect(run.errors.contains("rank 1"), "\(run)")
  }
}
