import Foundation
import TestSupport
import Testing

/// The manual, which is made from the command itself, and completion for shells.
@Suite struct ManualTests {
  private let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  @Test func theManualIsThatOfThisCommand() throws {
    let run = try oboro(["manual"])
    #expect(run.exitStatus == 0, "\(run)")
    #expect(
      run.output == text(folder.appending(path: "Docs/Commands.md").path), "launch/manual writes it anew")
  }

  @Test(arguments: [
    "prepare", "train", "sample", "evaluate", "inspect", "convert", "check", "compare", "bench", "doctor",
    "report",
  ])
  func everyCommandHasExamples(name: String) throws {
    let help = try oboro([name, "--help"])
    #expect(help.exitStatus == 0, "\(help)")
    let lines = help.output.split(separator: "\n")
    #expect(lines.contains { $0.hasPrefix("oboro \(name)") }, "no example\n\(help)")
  }

  @Test(arguments: ["bash", "zsh", "fish"]) func shellsComplete(shell: String) throws {
    let run = try oboro(["--generate-completion-script", shell])
    #expect(run.exitStatus == 0 && run.errors == "", "\(run)")
    for word in ["train", "doctor", "report"] { #expect(run.output.contains(word)) }
    guard shell == "bash" else { return }
    let folder = try TemporaryDirectory()
    try run.output.write(toFile: "\(folder.path)/oboro", atomically: true, encoding: .utf8)
    let check = try ProcessRun.run(URL(filePath: "/usr/bin/env"), ["bash", "-n", "\(folder.path)/oboro"])
    #expect(check.exitStatus == 0, "\(check)")
  }
}
