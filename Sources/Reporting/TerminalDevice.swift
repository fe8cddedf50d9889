import Foundation

/// A terminal, identified by a descriptor or a link to one.
package enum TerminalDevice: Sendable, Equatable {
  /// An open descriptor of this process.
  case descriptor(Int32)
  /// A link in `/proc` for a descriptor of another process. It leads to the device even if its target path does not
  /// exist, as in containers.
  case link(String)

  /// Returns nil if `link` does not lead to a terminal.
  package init?(link: String) {
    var status = stat()
    // Only character devices are opened: opening a pipe could disturb it.
    guard stat(link, &status) == 0, status.st_mode & S_IFMT == S_IFCHR else { return nil }
    let isTerminal = Self.withDescriptor(link) { isatty($0) == 1 }
    // After `su`, the terminal belongs to another user and cannot be reopened; no other device denies that.
    guard isTerminal ?? (errno == EACCES) else { return nil }
    self = .link(link)
  }

  /// The current width in columns; nil if unknown.
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

  /// Returns nil, with `errno` set, if the device cannot be opened.
  private static func withDescriptor<Result>(_ link: String, _ body: (Int32) -> Result) -> Result? {
    let descriptor = open(link, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    return body(descriptor)
  }
}
