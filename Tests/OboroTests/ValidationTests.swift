import Foundation
import TestSupport
import Testing

/// The loss on held-out samples, while a run trains.
@Suite struct ValidationTests {
  private func settings(_ more: String...) throws -> [String] {
    [
      "dataset.validation_path=\(try Trial.path(of: Trial.otherDataset))", "training.validation_every=2",
      "training.validation_samples=21", "sampling.every=0",
    ] + more
  }

  private func losses(_ trial: Trial) throws -> [Double] {
    try text("\(trial.run)/metrics.jsonl").split(separator: "\n").compactMap { line in
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      return object?["validation_loss"] as? Double
    }
  }

  /// Weights that do not move have the same loss each time, near that of training.
  @Test func itIsComparableFromStepToStep() throws {
    let trial = try Trial()
    try trial.trainToEnd(settings: try settings("optimizer.learning_rate=0", "training.log_every=3"))
    let found = try losses(trial)
    #expect(found.count == 4 && Set(found).count == 1)
    // Logged at the steps of training's own losses, too: 2, 3, 4, 6 and 8.
    let training = try trial.record.column("loss")
    #expect(training.count == 5 && Set(training).count == 5)
    let mean = training.reduce(0, +) / 5
    #expect(abs(found[0] - mean) < 0.2 * mean)
  }

  /// Nothing that is trained depends on it, nor does it depend on ranks, threads or a stop.
  @Test func ranksThreadsAndStopsChangeNothing() throws {
    let plain = try Trial()
    try plain.trainToEnd("sampling.every=0")
    let reference = try Trial()
    try reference.trainToEnd(settings: try settings())
    let expected = try losses(reference)
    #expect(expected.count == 4 && expected.allSatisfy { $0.isFinite } && Set(expected).count == 4)
    #expect(try reference.record.column("loss") == plain.record.column("loss"))
    let weights = "model.h5"
    #expect(
      try content("\(reference.checkpoint(8))/\(weights)") == content("\(plain.checkpoint(8))/\(weights)"))
    for ranks in [2, 4] {
      let trial = try Trial()
      try trial.trainToEnd(settings: try settings(), ranks: ranks)
      #expect(try losses(trial) == expected, "\(ranks) ranks")
    }
    let stopped = try Trial()
    try stopped.trainToEnd("training.steps=3", settings: try settings(), threads: 2)
    try stopped.trainToEnd(settings: try settings(), ranks: 2)
    #expect(try losses(stopped) == expected)
  }

  /// A run may begin with it at any time; the report shows it.
  @Test func itIsFreeToChange() throws {
    let trial = try Trial()
    try trial.trainToEnd("training.steps=3", "sampling.every=0")
    try trial.trainToEnd(settings: try settings())
    #expect(try losses(trial).count == 3)
    let report = try oboro(["report", trial.run])
    #expect(report.exitStatus == 0, "\(report)")
    #expect(text("\(trial.run)/report.html").contains(">validation<"))
  }

  @Test func settingsThatDoNothingAreErrors() throws {
    let trial = try Trial()
    expectFailure(
      try trial.train("training.validation_every=2"), 64, "training.validation_every",
      "set dataset.validation_path")
    let path = try Trial.path(of: Trial.otherDataset)
    expectFailure(
      try trial.train("dataset.validation_path=\(path)"), 64, "dataset.validation_path",
      "set training.validation_every")
    expectFailure(
      try trial.train("dataset.validation_path=\(trial.path)/nothing", "training.validation_every=2"), 65,
      "\(trial.path)/nothing")
    let odd = try Trial.path(of: Trial.oddDataset)
    expectFailure(
      try trial.train("dataset.validation_path=\(odd)", "training.validation_every=2"), 64, odd, "15")
    #expect(!exists(trial.run))
  }
}
