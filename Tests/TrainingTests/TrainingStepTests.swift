import TestSupport
import Testing

/// Whole steps, whichever way the update is made, against the plain one: see `TrainingPrograms`.
@Suite struct TrainingStepTests {
  @Test(arguments: ["early", "clipped", "unclipped"], [1, 2, 4])
  func everyWayIsThePlainStep(way: String, ranks: Int) throws {
    let run = try MPIJob.run(
      ranks: ranks, try Products.executable("TrainingPrograms"), [way],
      environment: ["SWIFT_BACKTRACE": "enable=no"])
    #expect(run.exitStatus == 0 && !run.timedOut, "\(run)")
    let expected = (0..<ranks).map { "\(way) passed on rank \($0) of \(ranks)" }
    #expect(run.outputLines.map(String.init).sorted() == expected, "\(run)")
  }
}
