import Foundation
import TestSupport
import Testing

/// Taking up a run with something else than it was begun with.
@Suite struct ChangedRunTests {
  @Test func anotherConfigurationIsRefusedNamingTheKeys() throws {
    let trial = try Reference.copyOfShort()
    let before = try trial.record
    expectFailure(
      try trial.train("training.steps=10", "optimizer.learning_rate=2e-3", ranks: 2), 64,
      "the run in \(trial.run) has another configuration", "optimizer.learning_rate: 0.001, now 0.002",
      "--allow-changes")
    try trial.record.expectSame(as: before)
  }

  @Test func allowedChangesAreLoggedAndTakeEffect() throws {
    let trial = try Reference.copyOfShort()
    try trial.trainToEnd("training.steps=10", "optimizer.learning_rate=2e-3", options: ["--allow-changes"])
    #expect(trial.log.contains("configuration changed key=\"training.steps: 8, now 10\""), "\(trial.log)")
    #expect(trial.log.contains("optimizer.learning_rate: 0.001, now 0.002"))
    let record = try trial.record
    #expect(try record.column("step") == (1...10).map(Double.init))
    #expect(try record.column("learning_rate") == Array(repeating: 0.001, count: 8) + [0.002, 0.002])
    // From now on it is the run's own.
    #expect(try trial.train("training.steps=10", "optimizer.learning_rate=2e-3").exitStatus == 0)
  }

  /// No number depends on these.
  @Test func whatDecidesTheSpeedMayChange() throws {
    let trial = try Trial()
    try trial.trainToEnd("training.steps=8", "checkpoint.every=4", "sampling.every=0")
    let before = try trial.record
    try trial.trainToEnd(
      "training.recompute=true", "training.bucket_bytes=4096", "checkpoint.every=4", "sampling.every=0")
    #expect(trial.log.contains("configuration changed key=\"training.recompute: false, now true\""))
    #expect(trial.log.contains("training.bucket_bytes: 1048576, now 4096"))
    #expect(text("\(trial.run)/config.yaml").contains("recompute: true"))
    #expect(try trial.record.metrics == before.metrics)
    // What does decide is named alone.
    let run = try trial.train("training.recompute=false", "training.seed=3", "sampling.every=0")
    expectFailure(run, 64, "training.seed: 0, now 3")
    #expect(!run.errors.contains("training.recompute"), "\(run)")
  }

  /// The run can go on as it was.
  @Test func aChangeThatDoesNotFitLeavesTheConfiguration() throws {
    let trial = try Reference.copyOfShort()
    expectFailure(
      try trial.train("model.dim=12", options: ["--allow-changes"]), 65, "belongs to another model")
    let run = try trial.train()
    #expect(run.exitStatus == 0, "\(run)")
  }

  /// The same path, and other images in it.
  @Test func anotherDatasetIsRefused() throws {
    let trial = try Trial()
    let link = "\(trial.path)/data"
    symlink(try Trial.path(), link)
    try trial.trainToEnd("training.steps=2", "sampling.every=0", dataset: link)
    unlink(link)
    symlink(try Trial.path(of: Trial.otherDataset), link)
    let settings = ["training.steps=2", "sampling.every=0"]
    let run = try oboro(trial.arguments(settings, dataset: link), ranks: 2)
    expectFailure(
      run, 65, trial.checkpoint(2), "was trained on another dataset", link, "--allow-other-dataset")
    // Leave to change the configuration is none to change the images.
    expectFailure(
      try oboro(trial.arguments(settings, dataset: link, options: ["--allow-changes"])), 65,
      "was trained on another dataset")
    try trial.trainToEnd(
      "training.steps=3", "sampling.every=0", dataset: link, options: ["--allow-other-dataset"])
    #expect(trial.loggedSteps == 3)
    #expect(trial.log.contains("dataset"), "\(trial.log)")
  }
}
