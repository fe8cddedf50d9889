import ArgumentParser
import Files
import Foundation
import Oboro
import Pictures
import Reporting
import Settings
import Testing

@Suite struct OutcomeTests {
  private let alone = Launch(environment: [:])

  private struct Unforeseen: Error, CustomStringConvertible {
    let description = "the unforeseen"
  }

  @Test func everyErrorHasItsStatusAndItsMessage() {
    let cases: [(any Error, Int32, String)] = [
      (SettingsError(path: "model.dim", "is odd"), 64, "oboro: model.dim: is odd\n"),
      (FileError("write", "a", code: ENOSPC), 74, "oboro: cannot write a: No space left on device\n"),
      (PictureError(path: "a.png", reason: "is no PNG picture"), 65, "oboro: a.png: is no PNG picture\n"),
      (MetricsError(path: "m", line: 3, reason: "is odd"), 65, "oboro: m:3: is odd\n"),
      (Unforeseen(), 1, "oboro: the unforeseen\n"),
      (ExitCode(75), 75, ""),
    ]
    for (error, status, text) in cases {
      let outcome = Outcome(of: error, launch: alone)
      #expect(outcome.exitStatus == status)
      #expect(outcome.standardError == text)
      #expect(outcome.standardOutput == "")
    }
  }

  @Test func theSystemsErrorsAreOfInputAndOutput() {
    let error = #expect(throws: (any Error).self) { try Data(contentsOf: URL(fileURLWithPath: "/nowhere/a")) }
    #expect(error.map { Outcome(of: $0, launch: alone).exitStatus } == 74)
  }

  @Test func usageErrorsShowTheUsage() {
    let outcome = Outcome(of: ValidationError("--count must be positive"), launch: alone)
    #expect(outcome.exitStatus == 64)
    #expect(outcome.standardError.hasPrefix("oboro: --count must be positive\n"))
    #expect(outcome.standardError.contains("Usage: oboro"))
  }

  @Test func whatAllRanksShareIsSaidByTheFirst() {
    let first = Launch(environment: ["OMPI_COMM_WORLD_RANK": "0"])
    let third = Launch(environment: ["OMPI_COMM_WORLD_RANK": "3"])
    let shared = SettingsError("is wrong")
    #expect(Outcome(of: shared, launch: first).standardError == "oboro: is wrong\n")
    #expect(Outcome(of: shared, launch: third).standardError == "")
    #expect(Outcome(of: shared, launch: third).exitStatus == 64)
    #expect(Outcome(of: CleanExit.message("1.0"), launch: third).standardOutput == "")
    #expect(Outcome(of: CleanExit.message("1.0"), launch: first).standardOutput == "1.0\n")
    let own = FileError("read", "a", code: EIO)
    #expect(
      Outcome(of: own, launch: third).standardError == "oboro: rank 3: cannot read a: Input/output error\n")
  }

  @Test(arguments: [
    (["OMPI_COMM_WORLD_RANK": "2"], 2), (["PMIX_RANK": "1"], 1), (["PMI_RANK": "4"], 4),
    (["SLURM_PROCID": "5"], 5),
    (["SLURM_PROCID": ""], nil), ([:], nil),
  ])
  func theRankIsKnownBeforeMPI(_ environment: [String: String], _ rank: Int?) {
    #expect(Launch(environment: environment).rank == rank)
  }
}
