/// Where messages go: a terminal, or a file or pipe that looks like none.
public protocol Terminal: Sendable {
  /// Whether a line can be rewritten.
  var isInteractive: Bool { get }
  /// Whether anybody wants to see how far a task is.
  var showsProgress: Bool { get }
  var hasColours: Bool { get }
  /// Columns, now: windows change their size.
  var width: Int { get }
  func write(_ text: String)
}
