import Foundation
import Testing

/// The command as a process, as scripts see it.
@Suite struct CommandTests {
  private struct Run {
    let status: Int32
    let output: String
    let error: String

    init(_ arguments: String..., environment: [String: String] = [:]) throws {
      let process = Process()
      // The command is built into the folder of the test program.
      process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0])
        .deletingLastPathComponent().appendingPathComponent("oboro")
      process.arguments = arguments
      process.environment = environment
      let (output, error) = (Pipe(), Pipe())
      process.standardOutput = output
      process.standardError = error
      try process.run()
      self.output = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      self.error = String(decoding: error.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      status = process.terminationStatus
    }
  }

  @Test func anUnknownOptionIsAUsageError() throws {
    let run = try Run("--colour")
    #expect(run.status == 64)
    #expect(run.error.hasPrefix("oboro: Unknown option '--colour'\n"))
    #expect(run.error.contains("Usage: oboro"))
    #expect(run.output == "")
  }

  @Test func anUnknownOptionIsReportedByRankZeroAlone() throws {
    let run = try Run("--colour", environment: ["OMPI_COMM_WORLD_RANK": "1"])
    #expect(run.status == 64)
    #expect(run.error == "" && run.output == "")
  }

  @Test func helpAndVersionGoToTheStandardOutput() throws {
    let help = try Run("--help")
    #expect(help.status == 0 && help.error == "")
    #expect(help.output.contains("USAGE: oboro"))
    let version = try Run("--version")
    #expect(version.status == 0 && version.error == "")
    #expect(version.output.wholeMatch(of: /\d+\.\d+\.\d+\n/) != nil)
  }
}
