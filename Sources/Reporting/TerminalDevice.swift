import Foundation

/// A terminal, by what leads to it.
package enum TerminalDevice: Sendable, Equatable {
  /// An open descriptor of this process.
  case descriptor(Int32)
  /// A link in `/proc` for another process's descriptor. It leads to the device even where its text names a file that
  /// is not there, as in containers.
  case link(String)

  /// nil unless `link` leads to a terminal.
  package init?(link: String) {
    var status = stat()
    // Other things than devices are not opened: that could disturb a pipe.
    guard stat(link, &status) == 0, status.st_mode & S_IFMT == S_IFCHR else { return nil }
    let isTerminal = Self.withDescriptor(link) { isatty($0) == 1 }
    // After `su` the terminal is another user's, and cannot be opened anew; no other device refuses that.
    guard isTerminal ?? (errno == EACCES) else { return nil }
    self = .link(link)
  }

  /// Columns, now; nil when the terminal does not know.
  package var width: Int? {
    switch self {
    case .descriptor(let descriptor): Self.width(of: descriptor)
    case .link(let link): Self.withDescriptor(link) { Self.width(of: $0) } ?? nil
    }
  }

  private static func width(of descriptor: Int32) -> Int? {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
    return Int(size.ws_col)
  }

  /// nil, with `errno`, when the device cannot be opened.
  private static func withDescriptor<Result>(_ link: String, _ body: (Int32) -> Result) -> Result? {
    let descriptor = open(link, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    return body(descriptor)
  }
}
