import Foundation
import TestSupport
import Testing

/// The command as a process, as scripts see it.
@Suite struct CommandTests {
  @Test func anUnknownOptionIsAUsageError() throws {
    let run = try oboro(["--colour"])
    expectFailure(run, 64, "oboro: Unknown option '--colour'\n", "Usage: oboro")
  }

  /// Not only that the one it was meant to be is missing.
  @Test func aMisspeltOptionIsNamed() throws {
    expectFailure(
      try oboro(["train", "--config", "a.yaml", "--ouput=b"]), 64,
      "oboro: Unknown option '--ouput'. Did you mean '--output'?\nUsage: oboro train ")
    expectFailure(
      try oboro(["bench", "step", "--step"]), 64, "Did you mean '--steps'?")
    expectFailure(
      try oboro(["train", "--config", "a.yaml"]), 64, "oboro: Missing expected argument '--output <dir>'\n")
  }

  /// The parser takes a negative number for an option, and so would call the value missing.
  @Test func aNegativeNumberIsAValue() throws {
    let sample = ["sample", "--checkpoint", "a", "--output", "b"]
    expectFailure(
      try oboro(sample + ["--seed", "-1"]), 64, "The value '-1' is invalid for '--seed <seed>'",
      "A whole number, at least 0")
    expectFailure(try oboro(sample + ["--count", "-3"]), 64, "--count must be 1 to 100000, is -3")
    expectFailure(try oboro(sample + ["--guidance", "-1.5e3"]), 65, "there is no such checkpoint")
    expectFailure(try oboro(sample + ["--gif", "-1"]), 64, "--gif")
    expectFailure(try oboro(sample + ["--seed", "--gif"]), 64, "Missing value for '--seed <seed>'")
  }

  /// Rank 0 says it. A rank that failed first would have the launcher end rank 0 before that: it waits.
  @Test func anUnknownOptionIsReportedByRankZeroAlone() throws {
    let run = try oboro(["--colour"], environment: ["OMPI_COMM_WORLD_RANK": "1"])
    #expect(run.exitStatus == 64, "\(run)")
    #expect(run.errors == "" && run.output == "", "\(run)")
    #expect(run.duration >= 1)
    expectFailure(try oboro(["--colour"], ranks: 2), 64, "oboro: Unknown option '--colour'\n")
  }

  @Test func helpAndVersionGoToTheStandardOutput() throws {
    let help = try oboro(["--help"])
    #expect(help.exitStatus == 0 && help.errors == "", "\(help)")
    #expect(help.output.contains("USAGE: oboro"))
    let version = try oboro(["--version"])
    #expect(version.exitStatus == 0 && version.errors == "", "\(version)")
    #expect(version.output.wholeMatch(of: /\d+\.\d+\.\d+\n/) != nil)
  }
}
