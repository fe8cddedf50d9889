import Synchronization

/// Shares a terminal between permanent lines and a status line at the bottom that is updated in place. May be used from
/// any thread.
public final class Console: Sendable {
  public let terminal: any Terminal
  /// The status line currently displayed; empty if none.
  private let status = Mutex("")

  public init(_ terminal: any Terminal = StandardError()) { self.terminal = terminal }

  /// Writes a permanent line above the status line.
  public func print(_ line: String) {
    status.withLock { status in
      terminal.write(status.isEmpty ? line + "\n" : Self.erase + line + "\n" + status)
    }
  }

  /// Shows `text`, which must fit the terminal's width, as the status line; empty text removes it. Does nothing if the
  /// terminal cannot rewrite lines.
  func show(status text: String) {
    guard terminal.isInteractive else { return }
    status.withLock { status in
      if status != text { terminal.write(Self.erase + text) }
      status = text
    }
  }

  /// Moves to the start of the line and erases it.
  private static let erase = "\r\u{1B}[2K"
}
