import Foundation

/// Where messages go: a terminal, or a file or pipe that looks like none.
public protocol Terminal: Sendable {
  /// Whether a line can be rewritten.
  var isInteractive: Bool { get }
  var hasColours: Bool { get }
  /// Columns, now: windows change their size.
  var width: Int { get }
  func write(_ text: String)
}

/// The standard error output. What cannot be written there is lost: there is no better place to say so.
public struct StandardError: Terminal {
  public let isInteractive: Bool
  public let hasColours: Bool

  /// Colours follow the custom of `NO_COLOR` (no-color.org).
  public init(environment: [String: String] = ProcessInfo.processInfo.environment) {
    isInteractive = isatty(STDERR_FILENO) == 1 && environment["TERM"] != "dumb"
    hasColours = isInteractive && (environment["NO_COLOR"] ?? "").isEmpty
  }

  public var width: Int {
    var size = winsize()
    let isKnown = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
    return isKnown ? Int(size.ws_col) : 80
  }

  public func write(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Foundation.write(STDERR_FILENO, $0.baseAddress, $0.count) }
      if count < 0 && errno != EINTR { return }
      rest = rest.dropFirst(max(0, count))
    }
  }
}
