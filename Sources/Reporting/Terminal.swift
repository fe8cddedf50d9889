/// The destination of messages: a terminal, or a file or pipe.
public protocol Terminal: Sendable {
  /// Whether lines can be rewritten.
  var isInteractive: Bool { get }
  /// Whether progress should be shown.
  var showsProgress: Bool { get }
  var hasColours: Bool { get }
  /// The current width in columns, which changes when a window is resized.
  var width: Int { get }
  func write(_ text: String)
}
