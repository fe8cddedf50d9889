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

  @Test func otherWorldSizesRoundDifferentlyAndSaySo() throws {
    let settings = ["training.batch_size=12", "training.slices=6", "sampling.every=0"]
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
