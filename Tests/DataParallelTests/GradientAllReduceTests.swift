import TestSupport
import Testing

/// Gradients summed between the ranks of real jobs; the program compares them with one rank's.
@Suite struct GradientAllReduceTests {
  @Test(arguments: [(1, 24), (2, 24), (3, 24), (4, 24), (8, 24), (2, 12), (4, 12), (8, 16), (6, 12)])
  func sumIsTheTrees(ranks: Int, slices: Int) throws {
    let run = try MPIJob.run(
      ranks: ranks, try Products.executable("DataParallelPrograms"), ["all-reduce", "\(slices)"],
      environment: ["SWIFT_BACKTRACE": "enable=no"])
    #expect(run.exitStatus == 0 && !run.timedOut, "\(run)")
    let expected = (0..<ranks).map { "all-reduce passed on rank \($0) of \(ranks)" }
    #expect(run.outputLines.map(String.init).sorted() == expected, "\(run)")
  }
}
