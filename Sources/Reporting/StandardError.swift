import Foundation

/// The standard error output. Text that cannot be written there is lost, since there is no better place to report that.
///
/// Under `mpirun`, it is treated as the terminal that mpirun writes to. This applies to every rank on its host; the
/// ranks must agree on which of them draws.
public struct StandardError: Terminal {
  public let isInteractive: Bool
  public let showsProgress: Bool
  public let hasColours: Bool
  private let device: TerminalDevice?
  private let fallbackWidth: Int

  /// Colours respect `NO_COLOR` (no-color.org), and progress is shown according to ``ProgressStyle``.
  public init(environment: [String: String] = ProcessInfo.processInfo.environment) {
    let device =
      isatty(STDERR_FILENO) == 1 ? TerminalDevice.descriptor(STDERR_FILENO) : LauncherTerminal.find()
    self.init(environment: environment, device: device)
  }

  package init(environment: [String: String], device: TerminalDevice?) {
    let isCapable = device != nil && environment["TERM"] != "dumb"
    let style = ProgressStyle(environment: environment)
    self.device = device
    isInteractive = style.map { $0 == .bar } ?? isCapable
    showsProgress = style != .hidden
    hasColours = isCapable && (environment["NO_COLOR"] ?? "").isEmpty
    fallbackWidth = environment["COLUMNS"].flatMap { Int($0) }.flatMap { $0 > 0 ? $0 : nil } ?? 80
  }

  /// The terminal's width, or else `COLUMNS`, or else 80.
  public var width: Int { device?.width ?? fallbackWidth }

  public func write(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Foundation.write(STDERR_FILENO, $0.baseAddress, $0.count) }
      if count < 0 && errno != EINTR { return }
      rest = rest.dropFirst(max(0, count))
    }
  }
}
