import Foundation
import Logging
import Reporting
import TestSupport
import Testing

@Suite struct LogEntryTests {
  @Test func messageAndValuesComeApart() throws {
    let entry = try #require(LogEntry("2026-11-21T10:00:00Z info checkpoint saved path=runs/a step=20"))
    #expect(
      entry.date == "2026-11-21T10:00:00Z" && entry.level == "info" && entry.message == "checkpoint saved")
    #expect(entry.values == ["path": "runs/a", "step": "20"])
  }

  @Test func quotedValuesKeepTheirSpaces() throws {
    let entry = try #require(
      LogEntry(
        "2026-11-21T10:00:00Z error run given up hosts=n3 reason=\"rank 2: \\\"x=1\\\" a\\n  b\" ranks=2"))
    #expect(entry.values["reason"] == "rank 2: \"x=1\" a\n  b")
    #expect(entry.values["ranks"] == "2" && entry.message == "run given up")
  }

  @Test func whatIsWrittenIsRead() throws {
    let folder = try TemporaryDirectory()
    let path = "\(folder.path)/log.txt"
    let values = [
      "plain": "runs/first", "empty": "", "folder": "my runs\\", "quotes": "\"a\" = \\\"b\\\"",
      "lines": "one\n\ttwo\r\\n", "bell": "\u{7}", "path": "C:\\new", "last": "end",
    ]
    try RunLog(path: path, console: Console(RecordingTerminal())).record(
      .info, "some values", values.mapValues { "\($0)" })
    let line = String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
    let entry = try #require(LogEntry(line.trimmingCharacters(in: .newlines)))
    #expect(entry.message == "some values")
    #expect(entry.values == values)
  }

  @Test func whatIsNoEntryIsPassedOver() {
    #expect(LogEntry("") == nil)
    #expect(LogEntry("Fatal error: something") == nil)
  }
}
