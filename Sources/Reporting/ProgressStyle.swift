/// The values of `OBORO_PROGRESS`, which override what the terminal suggests.
public enum ProgressStyle: String, CaseIterable, Sendable {
  /// A line updated in place, even if no terminal was detected: behind `ssh`, or when rank 0 is on a remote host.
  case bar
  /// An occasional line, even on a terminal.
  case lines
  case hidden = "none"

  public static let variable = "OBORO_PROGRESS"

  /// The style requested by the environment; nil if unset or unknown, which leaves the choice to the terminal.
  public init?(environment: [String: String]) {
    guard let style = environment[Self.variable].flatMap(Self.init(rawValue:)) else { return nil }
    self = style
  }
}
