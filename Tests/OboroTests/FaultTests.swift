import Foundation
import HDF5
import TestSupport
import Testing

/// Faults injected into real runs: what is found, named and survived.
@Suite struct FaultTests {
  private func train(_ trial: Trial, fault: String, ranks: Int?, _ settings: String...) throws -> ProcessRun {
    try oboro(trial.arguments(settings), ranks: ranks, environment: ["OBORO_TEST_FAULT": fault])
  }

  @Test(arguments: [(2, 1, "rank 1"), (4, 0, "rank 0"), (4, 2, "rank 2")])
  func aFlippedBitIsFoundAndNamed(ranks: Int, rank: Int, name: String) throws {
    let trial = try Trial()
    let run = try train(trial, fault: "flip-weight:\(rank):5", ranks: ranks)
    expectFailure(run, 65, "step 5: the weights on \(name) on ", "look at that host's memory")
    // The checkpoint of step 4 is good, and none was made of what came after.
    #expect(names(in: "\(trial.run)/checkpoints") == ["latest", "step-00000002", "step-00000004"])

    // The same command goes on, to what an undisturbed run comes to.
    try trial.trainToEnd(ranks: ranks)
    try trial.record.expectSame(as: Reference.short.get().record)
  }

  @Test func aSkippedStepIsToldOf() throws {
    var records: [RunRecord] = []
    for ranks in [nil, 2] as [Int?] {
      let trial = try Trial()
      let run = try train(trial, fault: "nan-gradient:0:3", ranks: ranks)
      #expect(run.exitStatus == 0, "\(run)")
      #expect(trial.log.contains("step skipped"))
      #expect(trial.log.contains("loss or gradient of micro-batch 0 on rank 0 is no number"), "\(trial.log)")
      let record = try trial.record
      #expect(try record.column("step") == [1, 2, 4, 5, 6, 7, 8])
      #expect(try record.column("loss").allSatisfy { $0.isFinite })
      records.append(record)
    }
    records[1].expectSame(as: records[0])
    #expect(records[0].metrics != (try Reference.short.get().record.metrics))
  }

  /// Where gradients are made in the update, it is too late then to find out that one is no number.
  @Test func aSkippedStepLeavesNoTraceOfDeferredGradients() throws {
    let trial = try Trial()
    let settings = Trial.deferring + ["training.steps=3", "checkpoint.every=1", "sampling.every=0"]
    let run = try oboro(trial.arguments(settings), environment: ["OBORO_TEST_FAULT": "nan-gradient:0:2"])
    #expect(run.exitStatus == 0, "\(run)")
    func tensors(_ step: Int) throws -> [String: [Float]] {
      try ["model", "optimizer-00000-of-00001"].reduce(into: [:]) { all, file in
        let root = try HDF5.File(opening: "\(trial.checkpoint(step))/\(file).h5").root
        for group in try root.children() {
          for name in try root.group(group).children() {
            all["\(group)/\(name)"] = try root.group(group).dataset(name).read(as: Float.self)
          }
        }
      }
    }
    let (before, skipped, after) = (try tensors(1), try tensors(2), try tensors(3))
    #expect(before.count > 300)
    for (name, values) in before {
      #expect(skipped[name]?.map(\.bitPattern) == values.map(\.bitPattern), "\(name)")
      #expect(after[name]?.map(\.bitPattern) != values.map(\.bitPattern), "\(name)")
    }
  }

  @Test func tooManyInARowEndTheRun() throws {
    let trial = try Trial()
    let run = try train(trial, fault: "nan-gradient:1:5+", ranks: 2, "training.max_skipped_steps=2")
    expectFailure(
      run, 1, "step 7: loss or gradient of micro-batch 2 on rank 1 is no number, as in the 2 steps before",
      "The last checkpoint is good")
    // Nothing was updated after step 4: the run can go on from any of its checkpoints.
    try trial.trainToEnd("training.max_skipped_steps=2", ranks: 2, options: ["--allow-changes"])
  }
}
