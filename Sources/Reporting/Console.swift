import Synchronization

/// Shares a terminal between lines that stay and one status line at the bottom that is rewritten in place. May be
/// used from any thread.
public final class Console: Sendable {
  public let terminal: any Terminal
  /// The status line on display; empty for none.
  private let status = Mutex("")

  public init(_ terminal: any Terminal = StandardError()) { self.terminal = terminal }

  /// Writes a line that stays, above the status line.
  public func print(_ line: String) {
    status.withLock { status in
      terminal.write(status.isEmpty ? line + "\n" : Self.erase + line + "\n" + status)
    }
  }

  /// Shows `text`, which must fit the terminal's width, as the status line; an empty one removes it. Without a
  /// terminal that can rewrite lines, nothing happens.
  func show(status text: String) {
    guard terminal.isInteractive else { return }
    status.withLock { status in
      if status != text { terminal.write(Self.erase + text) }
      status = text
    }
  }

  /// To the line's beginning, and erase the line.
  private static let erase = "\r\u{1B}[2K"
}
