import Foundation
import TestSupport
import Testing

/// The contract: how a run is divided among ranks and threads does not show in a single bit of its results.
@Suite struct ExactnessTests {
  @Test(arguments: [(1, 1), (2, 1), (4, 1), (nil, 2)] as [(Int?, Int)])
  func ranksAndThreadsChangeNothing(ranks: Int?, threads: Int) throws {
    let trial = try Trial()
    try trial.trainToEnd(ranks: ranks, threads: threads)
    let (record, reference) = (try trial.record, try Reference.short.get().record)
    record.expectSame(as: reference)
    #expect(record.files.count == reference.files.count)
    #expect(record.metrics.count == 8)
    #expect(trial.log.contains("ranks=\(ranks ?? 1)") && trial.log.contains("threads=\(threads)"))
    #expect(!trial.log.contains("round differently"))
  }

  /// How gradients and weights travel: the bytes that go together, and what carries them.
  @Test(arguments: [(2, 1), (4, 40_000), (2, 1 << 22)]) func bucketsAndTransportsChangeNothing(
    ranks: Int, bucketBytes: Int
  ) throws {
    for transport in ["vader,self", "tcp,self"] {
      let trial = try Trial()
      let run = try oboro(
        trial.arguments(["training.bucket_bytes=\(bucketBytes)", "sampling.every=0"]), ranks: ranks,
        environment: ["OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": transport])
      try #require(run.exitStatus == 0, "\(run)")
      let comparison = try oboro(["compare", Reference.short.get().run, trial.run])
      #expect(comparison.exitStatus == 0, "\(comparison)")
      #expect(comparison.output.hasPrefix("\(trial.run): the same (steps: 8, tensors: "), "\(comparison)")
    }
  }

  @Test(arguments: [nil, 2] as [Int?]) func recomputedStagesChangeNothing(ranks: Int?) throws {
    let trial = try Trial()
    try trial.trainToEnd("training.recompute=true", "sampling.every=0", ranks: ranks)
    let comparison = try oboro(["compare", Reference.short.get().run, trial.run])
    #expect(comparison.exitStatus == 0, "\(comparison)")
  }

  /// Then weights wait for the length of the whole gradient; else they travel before it is known.
  @Test func clippingChangesNothingBetweenRanks() throws {
    let settings = ["optimizer.clip_norm=0.1", "sampling.every=0"]
    let runs = try [nil, 2, 4].map { ranks in
      let trial = try Trial()
      let run = try oboro(trial.arguments(settings), ranks: ranks)
      try #require(run.exitStatus == 0, "\(run)")
      return trial
    }
    // A trial's folder goes with it.
    try withExtendedLifetime(runs) {
      let comparison = try oboro(["compare"] + runs.map(\.run))
      #expect(comparison.exitStatus == 0, "\(comparison)")
      let unclipped = try oboro(["compare", Reference.short.get().run, runs[0].run])
      #expect(unclipped.exitStatus == 1, "the gradients were too short to be clipped: \(unclipped)")
    }
  }

  @Test func roundedGradientsAreSaidToBeInexact() throws {
    let trial = try Trial()
    let run = try oboro(trial.arguments(["training.gradient_compression=bf16"]), ranks: 2)
    try #require(run.exitStatus == 0, "\(run)")
    #expect(trial.log.contains("results depend on the number of ranks"))
    let comparison = try oboro(["compare", Reference.short.get().run, trial.run])
    #expect(comparison.exitStatus == 1 && comparison.errors == "", "\(comparison)")
    #expect(comparison.output.contains("loss or gradient norm of step 1, the first of those that differ"))
    #expect(comparison.output.contains("  model/"))
    // Nearly the same all the same.
    let (exact, rounded) = (
      try Reference.short.get().record.column("loss"), try trial.record.column("loss")
    )
    for (a, b) in zip(exact, rounded) { #expect(abs(a - b) < 0.02 * a) }
    let alone = try Trial()
    try alone.trainToEnd("training.gradient_compression=bf16")
    #expect(!alone.log.contains("depend on the number of ranks"))
  }

  @Test func aTraceShowsAllRanksComputingAndExchanging() throws {
    let trial = try Trial()
    let path = "\(trial.path)/trace.json"
    try trial.trainToEnd(ranks: 2, options: ["--trace", path])
    try trial.record.expectSame(as: Reference.short.get().record)
    let trace = try #require(
      try JSONSerialization.jsonObject(with: content(path)) as? [String: Any])
    let events = try #require(trace["traceEvents"] as? [[String: Any]])
    for rank in 0..<2 {
      let names = events.filter { $0["pid"] as? Int == rank }.compactMap { $0["name"] as? String }
      #expect(names.count { $0 == "step" } == 8)
      for name in [
        "data", "forward", "backward", "Convolution", "update", "reduce-scatter 0", "all-gather 0",
      ] {
        #expect(names.contains(name), "\(name)")
      }
    }
  }

  @Test func runsThatCannotBeComparedAreErrors() throws {
    let run = try Reference.short.get().run
    expectFailure(try oboro(["compare", run]), 64, "name at least two runs")
    let none = try oboro(["compare", run, "/nowhere/at/all"])
    #expect(none.exitStatus != 0 && none.errors.contains("/nowhere/at/all"), "\(none)")
  }

  @Test func otherWorldSizesRoundDifferentlyAndSaySo() throws {
    let settings = ["training.batch_size=12", "training.microbatches=6", "sampling.every=0"]
    let runs = try [nil, 3].map { ranks in
      let trial = try Trial()
      let run = try oboro(trial.arguments(settings), ranks: ranks)
      #expect(run.exitStatus == 0, "\(run)")
      #expect(trial.log.contains("may round differently") == (ranks != nil))
      return try trial.record
    }
    for column in ["loss", "gradient_norm"] {
      let (one, three) = (try runs[0].column(column), try runs[1].column(column))
      #expect(one.count == 8 && three.count == 8)
      for (a, b) in zip(one, three) { #expect(abs(a - b) <= 1e-4 * abs(a), "\(column): \(a), \(b)") }
    }
  }

  @Test func anotherSeedGivesAnotherRun() throws {
    let trial = try Trial()
    try trial.trainToEnd("training.seed=1", "training.steps=2")
    let losses = try trial.record.column("loss")
    #expect(try losses != Array(Reference.short.get().record.column("loss").prefix(2)))
  }

  /// That all the runs agree means little if they learn nothing.
  @Test func theLossFalls() throws {
    let losses = try Reference.long.get().record.column("loss")
    #expect(losses.count == Reference.longSteps)
    let (start, end) = (losses.prefix(10).reduce(0, +) / 10, losses.suffix(10).reduce(0, +) / 10)
    #expect(end < 0.6 * start, "\(start) at first, \(end) in the end")
  }
}
