import Reporting
import Testing

@Suite struct ProgressTests {
  private let time = ManualClock()

  private func bar(
    _ terminal: RecordingTerminal, total: Int = 100, completed: Int = 0, plainInterval: Double = 30
  ) -> (ProgressBar, Console) {
    let console = Console(terminal)
    let bar = ProgressBar(
      "train", total: total, completed: completed, console: console, clock: time.clock,
      plainInterval: plainInterval)
    return (bar, console)
  }

  @Test(arguments: [
    (
      100,
      "train  [######....................]   25/100  25%  loss 0.05  512 images/s  2:30 left  0:50 elapsed"
    ),
    (80, "train  [#####...............]   25/100  25%  loss 0.05  512 images/s  2:30 left"),
    (69, "train   25/100  25%  loss 0.05  512 images/s  2:30 left"),
    (50, "train   25/100  25%  loss 0.05  2:30 left"),
    (35, "train   25/100  25%  2:30 left"),
    (24, "train   25/100  25%"),
    (10, "train   2"),
  ])
  func theLineFitsTheTerminal(_ width: Int, _ expected: String) {
    let terminal = RecordingTerminal(width: width)
    let (bar, _) = bar(terminal)
    time.advance(50)
    bar.update(25, fields: ["loss 0.05", "512 images/s"])
    #expect(terminal.screen == [expected])
    #expect(terminal.screen[0].count < width)
  }

  @Test func aNarrowedTerminalIsRespected() {
    let terminal = RecordingTerminal(width: 100)
    let (bar, _) = bar(terminal)
    bar.update(25)
    terminal.width = 30
    time.advance(1)
    bar.update(26)
    #expect(terminal.screen[0].count < 30)
  }

  @Test func atMostTenRedrawsASecond() {
    let terminal = RecordingTerminal()
    let (bar, _) = bar(terminal, total: 10_000)
    for step in 1...2000 {
      time.advance(0.001)
      bar.update(step)
    }
    let redraws = terminal.text.components(separatedBy: "\r").count - 1
    #expect((18...21).contains(redraws))
  }

  @Test func theTimeLeftFollowsASlowdownAndIgnoresEarlierRuns() {
    let terminal = RecordingTerminal(width: 200)
    let (bar, _) = bar(terminal, total: 10_000, completed: 5000)
    for step in 1...100 {
      time.advance(1)
      bar.update(5000 + step)
    }
    #expect(terminal.screen[0].contains("  1:21:40 left  "))  // 4900 steps at 1 a second
    for step in 1...100 {
      time.advance(10)
      bar.update(5100 + step)
    }
    #expect(terminal.screen[0].contains("  13:20:00 left  "))  // 4800 steps at 10 seconds each
  }

  @Test func finishingLeavesALineAndNoTimeLeft() {
    let terminal = RecordingTerminal(width: 60)
    let (bar, console) = bar(terminal)
    bar.update(25)
    time.advance(3661)
    bar.finish()
    bar.finish()
    console.print("next")
    #expect(terminal.screen == ["train  [####...............]   25/100  25%  1:01:01 elapsed", "next", ""])
  }

  @Test func linesGoAboveTheBar() {
    let terminal = RecordingTerminal(width: 40)
    let (bar, console) = bar(terminal)
    bar.update(1)
    let drawn = terminal.screen[0]
    console.print("saved a checkpoint")
    #expect(terminal.screen == ["saved a checkpoint", drawn])
  }

  @Test func withoutATerminalThereIsAPlainLineNowAndThen() {
    let terminal = RecordingTerminal(isInteractive: false)
    let (bar, _) = bar(terminal, plainInterval: 30)
    for step in 1...100 {
      time.advance(1)
      bar.update(step, fields: ["loss 1"])
    }
    bar.finish()
    #expect(
      terminal.screen == [
        "train  1/100  1%  loss 1  1:39 left  0:01 elapsed",
        "train  31/100  31%  loss 1  1:09 left  0:31 elapsed",
        "train  61/100  61%  loss 1  0:39 left  1:01 elapsed",
        "train  91/100  91%  loss 1  0:09 left  1:31 elapsed",
        "train  100/100  100%  loss 1  1:40 elapsed", "",
      ])
    #expect(!terminal.text.contains("\u{1B}") && !terminal.text.contains("\r"))
  }

  @Test func whatIsDoneAtOnceIsToldOnce() {
    let terminal = RecordingTerminal(isInteractive: false)
    let (bar, _) = bar(terminal)
    bar.update(100)
    bar.finish()
    #expect(terminal.screen == ["train  100/100  100%  0:00 elapsed", ""])
  }

  @Test(arguments: [true, false])
  func whoWantsNoProgressSeesOtherLinesOnly(_ isInteractive: Bool) {
    let terminal = RecordingTerminal(isInteractive: isInteractive, showsProgress: false)
    let (bar, console) = bar(terminal)
    bar.update(1)
    console.print("saved a checkpoint")
    bar.finish()
    #expect(terminal.text == "saved a checkpoint\n")
  }

  @Test func nothingToDoIsDone() {
    let terminal = RecordingTerminal(isInteractive: false)
    let (bar, _) = bar(terminal, total: 0)
    bar.finish()
    #expect(terminal.screen == ["train  0/0  100%  0:00 elapsed", ""])
  }
}
