import Foundation
import Reporting
import Synchronization

/// Keeps what is written to it.
final class RecordingTerminal: Terminal {
  let isInteractive: Bool
  let showsProgress: Bool
  let hasColours: Bool
  private let state: Mutex<(text: String, width: Int)>

  init(isInteractive: Bool = true, showsProgress: Bool = true, hasColours: Bool = false, width: Int = 80) {
    self.isInteractive = isInteractive
    self.showsProgress = showsProgress
    self.hasColours = hasColours
    state = Mutex(("", width))
  }

  var width: Int {
    get { state.withLock { $0.width } }
    set { state.withLock { $0.width = newValue } }
  }

  /// All that was written.
  var text: String { state.withLock { $0.text } }

  func write(_ text: String) { state.withLock { $0.text += text } }

  /// What a viewer sees: carriage returns and the code that erases the line are obeyed.
  var screen: [String] {
    text.components(separatedBy: "\n").map { $0.components(separatedBy: "\r\u{1B}[2K").last ?? "" }
  }
}

/// A clock that stands still until it is moved.
final class ManualClock: Sendable {
  private let now = Mutex(1000.0)
  var clock: MonotonicClock { MonotonicClock { self.now.withLock { $0 } } }
  func advance(_ seconds: Double) { now.withLock { $0 += seconds } }
}
