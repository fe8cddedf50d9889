import Foundation
import TestSupport
import Testing

/// What the user sees, and what is left, when ranks fail.
@Suite struct FailureTests {
  /// The lines on standard error that come from the program; Open MPI adds its own.
  private func messages(_ run: ProcessRun) -> [String] {
    run.errorLines.filter { $0.hasPrefix("mpi-programs: ") }.map(String.init)
  }

  /// Expects that none of the processes that the program announced is left a moment after mpirun's end.
  private func expectNoneLeft(_ run: ProcessRun, ranks: Int) throws {
    let line = try #require(run.outputLines.first { $0.hasPrefix("processes ") }, "\(run)")
    let processes = line.split(separator: " ").dropFirst().compactMap { Int32($0) }
    #expect(processes.count == ranks)
    let deadline = Date(timeIntervalSinceNow: 5)
    while processes.contains(where: { kill($0, 0) == 0 }) && Date() < deadline { usleep(20_000) }
    #expect(processes.allSatisfy { kill($0, 0) != 0 }, "a rank outlives its job\n\(run)")
  }

  @Test(arguments: worldSizes) func agreement(ranks: Int) throws {
    try expectPass("agreement", ranks: ranks)
  }

  @Test(arguments: [0, 1, 3]) func oneRankFails(rank: Int) throws {
    let run = try runProgram("fail", ["\(rank)"], ranks: 4)
    #expect(run.exitStatus == 65, "\(run)")
    #expect(run.duration < 10, "\(run)")
    #expect(messages(run).count == 1, "\(run)")
    let host = ProcessInfo.processInfo.hostName.prefix { $0 != "." }
    let message = try #require(messages(run).first)
    #expect(message.hasPrefix("mpi-programs: rank \(rank) of 4 on \(host)"), "\(run)")
    #expect(message.hasSuffix(": no milk for \(rank)"), "\(run)")
    try expectNoneLeft(run, ranks: 4)
  }

  @Test func allRanksFail() throws {
    let run = try runProgram("fail", ["0", "1", "2", "3"], ranks: 4)
    #expect(run.exitStatus == 65, "\(run)")
    #expect(messages(run).count == 1, "\(run)")
    #expect(messages(run).allSatisfy { $0.contains("rank 0 of 4") }, "\(run)")
    try expectNoneLeft(run, ranks: 4)
  }

  /// MPI's errors are held back: the rank that fails by itself is the one to hear from.
  @Test func culpritIsHeardBeforeMPIErrors() throws {
    let run = try runProgram("fail", ["mpi", "1", "2", "3"], ranks: 4)
    #expect(messages(run).count == 1, "\(run)")
    #expect(
      messages(run).allSatisfy { $0.contains("rank 0 of 4") && $0.hasSuffix(": the culprit") }, "\(run)")
    #expect(run.exitStatus == 70, "\(run)")
  }

  /// But they are not swallowed.
  @Test func uncaughtMPIErrorIsReported() throws {
    let run = try runProgram("fail-on-wrong-rank", ranks: 2)
    #expect(messages(run).count == 1, "\(run)")
    #expect(
      messages(run).allSatisfy {
        $0.contains("rank 0 of 2") && $0.contains("MPI_Send failed on rank 0: MPI_ERR_RANK: invalid rank")
      }, "\(run)")
    #expect(run.exitStatus == 1, "\(run)")
  }

  @Test(arguments: [["0"], ["2"], ["1", "3"], ["0", "1", "2", "3"]]) func agreedFailure(failing: [String])
    throws
  {
    let run = try runProgram("fail-agreed", failing, ranks: 4)
    #expect(run.exitStatus == 90 + Int32(failing[0])!, "\(run)")
    #expect(run.duration < 10, "\(run)")
    #expect(messages(run).count == 1, "\(run)")
    #expect(
      messages(run).allSatisfy {
        $0.contains("rank \(failing[0]) of 4 on ") && $0.hasSuffix(": no tea for \(failing[0])")
      }, "\(run)")
  }

  /// An agreement of a part of the ranks ends the others too.
  @Test func agreedFailureInGroup() throws {
    let run = try runProgram("fail-agreed", ["group", "2"], ranks: 4)
    #expect(run.exitStatus == 92, "\(run)")
    #expect(run.duration < 20, "\(run)")
    #expect(messages(run).count == 1, "\(run)")
    #expect(messages(run).allSatisfy { $0.contains("rank 2 of 4 on ") }, "\(run)")
  }

  /// A process alone has no rank to name, and nobody to abort.
  @Test(arguments: [("fail", 65, "no milk for 0"), ("fail-agreed", 90, "no tea for 0")])
  func aloneWithoutLauncher(program: String, status: Int32, message: String) throws {
    let run = try ProcessRun.run(try Products.executable("MPIPrograms"), [program, "0"])
    #expect(run.exitStatus == status, "\(run)")
    #expect(run.errors == "mpi-programs: \(message)\n", "\(run)")
  }

  @Test func killedRankEndsTheOthers() throws {
    let run = try runProgram("die", ["2", "killed"], ranks: 4)
    #expect(run.exitStatus == 128 + SIGKILL, "\(run)")
    #expect(run.duration < 15, "\(run)")
    #expect(run.errors.contains("rank 2"), "\(run)")
    try expectNoneLeft(run, ranks: 4)
  }

  @Test func crashedRankEndsTheOthers() throws {
    let run = try runProgram("die", ["1", "wild"], ranks: 4)
    #expect(run.exitStatus == 128 + SIGSEGV, "\(run)")
    #expect(run.duration < 15, "\(run)")
    #expect(run.errors.contains("rank 1"), "\(run)")
    try expectNoneLeft(run, ranks: 4)
  }

  @Test func droppedRequestEndsTheProcess() throws {
    let run = try runProgram("dropped-request", ranks: 2)
    #expect(run.exitStatus != 0, "\(run)")
    #expect(run.duration < 30, "\(run)")
    #expect(run.errors.contains("receive of 4 elements from rank 0, tag 9, on rank 1: dropped"), "\(run)")
  }

  /// The helper that all these tests lean on ends what hangs.
  @Test func jobThatHangsIsEnded() throws {
    let run = try runProgram("hang", ranks: 2, timeout: 4)
    #expect(run.timedOut, "\(run)")
    #expect(run.duration < 20, "\(run)")
    try expectNoneLeft(run, ranks: 2)
  }
}
