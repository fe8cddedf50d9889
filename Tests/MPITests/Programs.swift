import Foundation
import TestSupport
import Testing

/// The ranks at which the programs run: one, powers of two, and an odd number.
let worldSizes = [1, 2, 3, 4, 8]

/// Runs the self-checking program `name`.
func runProgram(
  _ name: String, _ arguments: [String] = [], ranks: Int, timeout: TimeInterval = 120
) throws -> ProcessRun {
  try MPIJob.run(
    ranks: ranks, try Products.executable("MPIPrograms"), [name] + arguments, timeout: timeout)
}

/// Expects that the self-checking program `name` passes on every rank.
func expectPass(
  _ name: String, ranks: Int, sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let run = try runProgram(name, ranks: ranks)
  #expect(run.exitStatus == 0 && !run.timedOut, "\(run)", sourceLocation: sourceLocation)
  let expected = (0..<ranks).map { "\(name) passed on rank \($0) of \(ranks)" }
  #expect(
    run.outputLines.map(String.init).sorted() == expected.sorted(), "\(run)", sourceLocation: sourceLocation)
}
