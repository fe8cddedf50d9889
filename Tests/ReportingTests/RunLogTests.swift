import Files
import Foundation
import Logging
import Reporting
import TestSupport
import Testing

@Suite struct RunLogTests {
  private let folder: TemporaryDirectory
  private let path: String
  private let terminal = RecordingTerminal(isInteractive: false)

  init() throws {
    folder = try TemporaryDirectory()
    path = folder.path + "/log.txt"
  }

  private func log(rank: Int = 0, terminal: RecordingTerminal? = nil) throws -> RunLog {
    try RunLog(path: path, rank: rank, console: Console(terminal ?? self.terminal)) {
      Date(timeIntervalSince1970: 1_795_255_200)
    }
  }

  private func file() throws -> String { String(decoding: try WholeFile.read(path), as: UTF8.self) }

  @Test func messagesGoToFileAndConsole() throws {
    var logger = try log().logger("train")
    logger[metadataKey: "step"] = "7"
    logger.info("saved a checkpoint", metadata: ["path": "runs/a b", "images": "12"])
    logger.warning("slow data")
    logger.debug("not shown")
    #expect(
      try file() == """
        2026-11-21T10:00:00Z info saved a checkpoint images=12 path="runs/a b" step=7
        2026-11-21T10:00:00Z warning slow data step=7

        """)
    #expect(
      terminal.screen == [
        "saved a checkpoint images=12 path=\"runs/a b\" step=7", "warning: slow data step=7", "",
      ])
  }

  @Test func aLaterRunAppends() throws {
    try log().logger("a").info("one")
    try log().logger("a").info("two")
    #expect(try file().split(separator: "\n").map { $0.suffix(3) } == ["one", "two"])
  }

  @Test func otherRanksWarnOnTheirConsoleOnly() throws {
    let logger = try log(rank: 3).logger("train", level: .trace)
    logger.info("not shown")
    logger.error("no data", metadata: ["shard": "x.h5"])
    #expect(terminal.screen == ["[rank 3] error: no data shard=x.h5", ""])
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test func aMessageIsOneLineWithoutControlCharacters() throws {
    try log().logger("a").info("two\nlines \u{1B}[31m", metadata: ["k": "a\"b\tc", "empty": "", "eq": "a=b"])
    let text = "two\\nlines \\u{1b}[31m empty=\"\" eq=\"a=b\" k=\"a\\\"b\\tc\""
    #expect(try file() == "2026-11-21T10:00:00Z info \(text)\n")
    #expect(terminal.screen == [text, ""])
  }

  @Test func coloursAreForTerminals() throws {
    let colourful = RecordingTerminal(hasColours: true)
    let logger = try log(terminal: colourful).logger("a")
    logger.error("bad")
    logger.info("good")
    #expect(colourful.text == "\u{1B}[1;31merror: \u{1B}[0mbad\ngood\n")
    #expect(try !file().contains("\u{1B}"))
  }

  @Test func aFullDiskIsReportedOnce() throws {
    let log = try RunLog(path: "/dev/full", console: Console(terminal))
    let logger = log.logger("a")
    logger.info("one")
    logger.info("two")
    #expect(
      terminal.screen == [
        "one", "warning: cannot write /dev/full: No space left on device; the log goes on without it", "two",
        "",
      ])
  }

  @Test func aFileThatCannotBeOpenedIsAnError() {
    let missing = folder.path + "/missing/log.txt"
    #expect(throws: FileError("open", missing, code: ENOENT)) {
      try RunLog(path: missing, console: Console(terminal))
    }
  }
}
