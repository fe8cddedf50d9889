/// What `OBORO_PROGRESS` can ask for, against what the terminal looks like.
public enum ProgressStyle: String, CaseIterable, Sendable {
  /// A line that is rewritten, even where no terminal was found: behind `ssh`, or a remote first rank.
  case bar
  /// A line now and then, also on a terminal.
  case lines
  case hidden = "none"

  public static let variable = "OBORO_PROGRESS"

  /// What the environment asks for; nil when it leaves that to the terminal, or says something unknown.
  public init?(environment: [String: String]) {
    guard let style = environment[Self.variable].flatMap(Self.init(rawValue:)) else { return nil }
    self = style
  }
}
