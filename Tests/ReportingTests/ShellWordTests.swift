import Foundation
import Reporting
import TestSupport
import Testing

@Suite struct ShellWordTests {
  @Test(arguments: [
    "runs/first", "a b", "it's", "", "$HOME", "*", "a\nb", "~", "ümläut/日本", "#1", "a;b", "-n",
  ])
  func aShellReadsItAsTheText(text: String) throws {
    let run = try ProcessRun.run(URL(filePath: "/bin/sh"), ["-c", "printf %s \(text.shellWord)x"])
    #expect(run.output == text + "x")
  }

  @Test func plainTextStaysAsItIs() {
    #expect("runs/first-2_a.b:c=d".shellWord == "runs/first-2_a.b:c=d")
    #expect("runs/erste läufe".shellWord == "'runs/erste läufe'")
  }
}
