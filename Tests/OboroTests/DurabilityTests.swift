import Files
import Foundation
import HDF5
import TestSupport
import Testing

/// What `launch/verify-durability` does at length: runs that are killed again and again, and disks that are full.
@Suite struct DurabilityTests {
  private static let settings = [
    "training.steps=160", "checkpoint.every=2", "checkpoint.keep=2", "checkpoint.keep_every=50",
    "checkpoint.part_bytes=50000", "sampling.every=0",
  ]

  @Test func killedAgainAndAgainItComesToTheSameEnd() throws {
    let reference = try Trial()
    let undisturbed = try oboro(reference.arguments(Self.settings))
    #expect(undisturbed.exitStatus == 0, "\(undisturbed)")
    // Those of the last steps, and those kept for ever; each in several parts.
    let kept = [50, 100, 150, 158, 160].map(stepName)
    #expect(names(in: "\(reference.run)/checkpoints") == ["latest"] + kept)
    #expect(names(in: reference.checkpoint(160)).filter { $0.hasPrefix("optimizer-") }.count > 4)

    let trial = try Trial()
    let arguments = try trial.arguments(Self.settings)
    var generator = SeededGenerator(seed: 6)
    for number in 0..<6 {
      let ranks = [1, 2, 4][Int.random(in: 0..<3, using: &generator)]
      let victims =
        Bool.random(using: &generator) ? Array(0..<ranks) : [Int.random(in: 0..<ranks, using: &generator)]
      let steps = trial.loggedSteps + Int.random(in: 1...12, using: &generator)
      let delay = UInt32.random(in: 0...8000, using: &generator)
      let run = try oboro(arguments, ranks: ranks) { job in
        _ = job.wait { trial.loggedSteps >= steps }
        usleep(delay)
        for process in victims.compactMap(job.rank) { kill(process, SIGKILL) }
      }
      #expect(!run.timedOut, "\(run)")
      // The run may be done before all are killed.
      if run.exitStatus == 0 { #expect(number > 2, "\(run)") }
    }
    try trial.trainToEnd(settings: Self.settings)
    try trial.record.expectSame(as: reference.record)
    #expect(names(in: "\(trial.run)/checkpoints").filter { $0.hasPrefix(".") } == [])
  }

  /// With a limit to the size of files no checkpoint can be written. Training goes on to its end, which is none without
  /// the last.
  @Test(arguments: [1, 2]) func trainingGoesOnWithoutCheckpointsIfItIsTo(ranks: Int) throws {
    let trial = try Trial()
    let arguments = try trial.arguments(
      [
        "model.dim=40", "sampling.every=0", "checkpoint.on_failure=continue",
        "checkpoint.part_bytes=100000000",
      ])
    let command = ([try Products.executable("oboro").path] + arguments).map { "'\($0)'" }.joined(
      separator: " ")
    let run = try MPIJob.run(
      ranks: ranks, URL(filePath: "/usr/bin/env"), ["bash", "-c", "ulimit -f 5000; exec \(command)"],
      environment: ["OBORO_THREADS": "1"])
    expectFailure(run, 74, "cannot save the checkpoint \(trial.checkpoint(8)): File too large")
    #expect(trial.loggedSteps == 8)
    for step in [2, 4, 6] {
      #expect(
        trial.log.contains("checkpoint not saved") && trial.log.contains(trial.checkpoint(step)),
        "\(trial.log)")
    }
    #expect(names(in: "\(trial.run)/checkpoints") == [])
  }

  /// What the optimiser's state is cut into is the same for all numbers of ranks, and so is each file.
  @Test(arguments: [2, 3, 4]) func partsDoNotShowTheRanks(ranks: Int) throws {
    let settings = [
      "training.batch_size=12", "training.microbatches=12", "training.steps=1", "checkpoint.part_bytes=60000",
      "sampling.every=0",
    ]
    let files = try [nil, ranks].map { ranks in
      let trial = try Trial()
      let run = try oboro(trial.arguments(settings), ranks: ranks)
      #expect(run.exitStatus == 0, "\(run)")
      return try trial.record.files.filter { $0.key.hasPrefix("checkpoints") }
    }
    #expect(files[0].count > 6 && files[0].keys.sorted() == files[1].keys.sorted())
    // Three ranks may round differently.
    if ranks != 3 { #expect(files[0] == files[1]) }
  }

  @Test func partsMayBeOfAnySize() throws {
    let trial = try Trial()
    try trial.trainToEnd("training.steps=1", "checkpoint.part_bytes=\(Int.max)", "sampling.every=0")
    #expect(
      names(in: trial.checkpoint(1)) == ["manifest.json", "model.h5", "optimizer-00000-of-00001.h5"])
  }

  /// A run that was killed between a checkpoint and the samples of its step.
  @Test func missingSamplesAreDrawn() throws {
    let trial = try Reference.copyOfShort()
    let samples = "\(trial.run)/samples/\(stepName(8)).png"
    try FileManager.default.removeItem(atPath: samples)
    let run = try trial.train(ranks: 2)
    #expect(run.exitStatus == 0, "\(run)")
    try trial.record.expectSame(as: Reference.short.get().record)
  }
}
