/// Where a setting was written, for messages.
public struct SettingsLocation: Sendable, Hashable, CustomStringConvertible {
  /// The path of a file as given, or an override such as `--set model.dim=28`.
  public let source: String
  /// The line in the file, from 1; nil for an override.
  public let line: Int?

  public init(source: String, line: Int? = nil) {
    self.source = source
    self.line = line
  }

  /// `configs/shapes.yaml:12`, or the override.
  public var description: String { line.map { "\(source):\($0)" } ?? source }
}
