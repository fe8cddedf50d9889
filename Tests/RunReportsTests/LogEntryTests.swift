import RunReports
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

  @Test func whatIsNoEntryIsPassedOver() {
    #expect(LogEntry("") == nil)
    #expect(LogEntry("Fatal error: something") == nil)
  }
}
