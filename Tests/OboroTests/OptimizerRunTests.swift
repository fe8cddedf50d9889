import Foundation
import HDF5
import TestSupport
import Testing

/// What the section `optimizer` does to a run, read from the checkpoint of its first step.
@Suite struct OptimizerRunTests {
  private struct State {
    let weights: [Float]
    let ema: [Float]
    let firstMoment: [Float]
    let secondMoment: [Float]
    let gradientNorm: Double
  }

  /// One step with learning rate 0.001 unless told otherwise; all parameters, one after the other.
  private func state(_ settings: String...) throws -> State {
    let trial = try Trial()
    let run = try oboro(trial.arguments(["training.steps=1", "sampling.every=0"] + settings))
    try #require(run.exitStatus == 0, "\(run)")
    func all(_ file: String, _ name: String) throws -> [Float] {
      let group = try HDF5.File(opening: "\(trial.checkpoint(1))/\(file).h5").root.group(name)
      return try group.children().sorted().flatMap { try group.dataset($0).read(as: Float.self) }
    }
    let optimizer = "optimizer-00000-of-00001"
    return State(
      weights: try all("model", "model"), ema: try all("model", "ema"),
      firstMoment: try all(optimizer, "exp_avg"), secondMoment: try all(optimizer, "exp_avg_sq"),
      gradientNorm: try trial.record.column("gradient_norm")[0])
  }

  private func norm(_ values: [Float]) -> Double {
    values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
  }

  private func expectClose(
    _ values: [Float], _ expected: [Float], within tolerance: Float,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(values.count == expected.count && !values.isEmpty, sourceLocation: sourceLocation)
    let worst = zip(values, expected).map { abs($0 - $1) }.max() ?? .infinity
    #expect(worst <= tolerance, sourceLocation: sourceLocation)
  }

  /// Alone and with one micro-batch, large weights are updated where their gradient is made; to clip, all must be there first.
  @Test func deferredGradientsAreThoseOfMemory() throws {
    let settings =
      Trial.deferring + [
        "training.steps=2", "ema.decay=0.75", "sampling.every=0", "checkpoint.every=0",
      ]
    func run(_ more: String...) throws -> (files: [Data], norms: [Double], weights: [Float]) {
      let trial = try Trial()
      let run = try oboro(trial.arguments(settings + more))
      try #require(run.exitStatus == 0, "\(run)")
      let files = try ["model", "optimizer-00000-of-00001"].map {
        try content("\(trial.checkpoint(2))/\($0).h5")
      }
      let group = try HDF5.File(opening: "\(trial.checkpoint(2))/model.h5").root.group("model")
      let weights = try group.children().sorted().flatMap { try group.dataset($0).read(as: Float.self) }
      return (files, try trial.record.column("gradient_norm"), weights)
    }
    let deferred = try run()
    // What a step of the largest rate moves.
    let whole = try run("optimizer.clip_norm=1000000")
    expectClose(deferred.weights, whole.weights, within: 2e-5)
    for (norm, expected) in zip(deferred.norms, whole.norms) {
      #expect(abs(norm - expected) < 1e-5 * expected)
    }
    // The same bits with stages that are computed again.
    let again = try run("training.recompute=true")
    #expect(again.files == deferred.files)
  }

  @Test func oneStepIsThatOfTheArticles() throws {
    let start = try state("optimizer.learning_rate=0").weights
    let adam = try state("ema.decay=0.75")
    // m = (1 - β1) g and v = (1 - β2) g²; the bias corrections leave a step of lr g / (|g| + ε).
    #expect(abs(norm(adam.firstMoment) - 0.1 * adam.gradientNorm) < 1e-5 * adam.gradientNorm)
    let gradients = adam.firstMoment.map { 10 * $0 }
    expectClose(adam.secondMoment, gradients.map { 1e-3 * $0 * $0 }, within: 1e-7)
    expectClose(adam.weights, zip(start, gradients).map { $0 - 1e-3 * $1 / (abs($1) + 1e-8) }, within: 1e-6)
    expectClose(adam.ema, zip(start, adam.weights).map { 0.75 * $0 + 0.25 * $1 }, within: 1e-6)
    #expect(adam.ema != adam.weights)

    // Decoupled decay takes lr λ w off, besides; here of all weights, as PyTorch does with one group of parameters.
    let decoupled = try state(
      "optimizer.kind=adamw", "optimizer.weight_decay=0.5", "optimizer.decay_vectors=true")
    expectClose(decoupled.weights, zip(adam.weights, start).map { $0 - 1e-3 * 0.5 * $1 }, within: 1e-6)
    #expect(decoupled.firstMoment == adam.firstMoment)
    // Adam's own becomes a part of the gradient.
    let coupled = try state(
      "optimizer.kind=adam", "optimizer.weight_decay=0.5", "optimizer.decay_vectors=true")
    expectClose(coupled.firstMoment, zip(gradients, start).map { 0.1 * ($0 + 0.5 * $1) }, within: 1e-6)
    #expect(coupled.weights != decoupled.weights && coupled.weights != adam.weights)

    // Clipping shortens the gradient and tells the length before.
    let clipped = try state("optimizer.clip_norm=0.5")
    #expect(clipped.gradientNorm == adam.gradientNorm && adam.gradientNorm > 0.5)
    #expect(abs(norm(clipped.firstMoment) - 0.1 * 0.5) < 1e-5)
    let loose = try state("optimizer.clip_norm=50")
    #expect(loose.firstMoment == adam.firstMoment)
  }

  @Test func theLearningRateGrowsFromNothing() throws {
    let trial = try Trial()
    try trial.trainToEnd("optimizer.warmup_steps=4", "training.steps=6", "sampling.every=0")
    let rates = try trial.record.column("learning_rate")
    #expect(rates == [0.00025, 0.0005, 0.00075, 0.001, 0.001, 0.001])
  }

  @Test func aLossThatIsNoNumberStopsTheRun() throws {
    let trial = try Trial()
    let run = try trial.train(
      "optimizer.learning_rate=1e30", "training.steps=50", "sampling.every=0", ranks: 2)
    expectFailure(run, 1, "rank 0 of 2", "is no number, as in the 10 steps before", "optimizer.learning_rate")
  }
}
