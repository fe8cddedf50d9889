import Synchronization

/// Shows the progress of a long task: on a terminal, a status line with a bar, redrawn at most ten times a second;
/// otherwise, an occasional plain line; or nothing if progress is disabled.
public final class ProgressBar: Sendable {
  private let label: String
  private let total: Int
  private let console: Console
  private let clock: MonotonicClock
  private let plainInterval: Double
  private let start: Double
  private let state: Mutex<State>

  /// Seconds between redraws: faster changes cannot be read, and each costs a system call.
  private static let redrawInterval = 0.1

  private struct State {
    var completed: Int
    var fields: [String] = []
    var speed: Speed
    var lastShown: Double
    var isFinished = false
  }

  /// - Parameters:
  ///   - label: the name of the task, such as `train`.
  ///   - completed: how much of `total` was already done, which does not count towards the speed.
  ///   - plainInterval: seconds between lines if there is no terminal.
  public init(
    _ label: String, total: Int, completed: Int = 0, console: Console, clock: MonotonicClock = .system(),
    plainInterval: Double = 30
  ) {
    precondition(total >= 0 && completed >= 0, "\(completed) of \(total)")
    self.label = label
    self.total = total
    self.console = console
    self.clock = clock
    self.plainInterval = plainInterval
    start = clock.seconds()
    // Backdated by a full interval, so that the first update is shown immediately.
    let interval = console.terminal.isInteractive ? Self.redrawInterval : plainInterval
    state = Mutex(
      State(completed: completed, speed: Speed(units: completed, seconds: start), lastShown: start - interval)
    )
  }

  /// Reports that `completed` of the total are done. `fields` are short texts such as `loss 0.0531`, the most important
  /// first, since a narrow terminal shows only the first ones.
  public func update(_ completed: Int, fields: [String] = []) {
    state.withLock { state in
      precondition(!state.isFinished, "\(label) is finished")
      let now = clock.seconds()
      state.completed = completed
      state.fields = fields
      state.speed.add(units: completed, seconds: now)
      let interval = console.terminal.isInteractive ? Self.redrawInterval : plainInterval
      if console.terminal.showsProgress && now - state.lastShown >= interval {
        state.lastShown = now
        if console.terminal.isInteractive {
          console.show(status: line(state, now, width: console.terminal.width - 1))
        } else if completed < total {
          // Completion is reported by the final line.
          console.print(line(state, now, width: nil))
        }
      }
    }
  }

  /// Leaves the final state as a permanent line and accepts no further updates. Repeated calls have no effect.
  public func finish() {
    state.withLock { state in
      if state.isFinished { return }
      state.isFinished = true
      guard console.terminal.showsProgress else { return }
      let width = console.terminal.isInteractive ? console.terminal.width - 1 : nil
      console.show(status: "")
      console.print(line(state, clock.seconds(), width: width))
    }
  }

  private func line(_ state: State, _ now: Double, width: Int?) -> String {
    let elapsed = Self.clockFace(now - start)
    var times = ["\(elapsed) elapsed"]
    if !state.isFinished, state.completed < total, let perSecond = state.speed.unitsPerSecond {
      times.insert("\(Self.clockFace(Double(total - state.completed) / perSecond)) left", at: 0)
    }
    return ProgressLine(
      label: label, completed: state.completed, total: total, fields: state.fields, times: times
    ).text(width: width)
  }

  /// `1:02:03`, or `2:03` for less than an hour.
  static func clockFace(_ seconds: Double) -> String {
    // Limited to a century: nothing takes longer, and it keeps the integers below small.
    let whole = Int(min(max(seconds, 0), 3.2e9).rounded())
    func twoDigits(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, twoDigits(whole % 60))
    return hours > 0 ? "\(hours):\(twoDigits(minutes)):\(rest)" : "\(minutes):\(rest)"
  }
}
