/// What one reading call says of its key, for reference texts.
public struct SettingsDeclaration: Sendable, Equatable {
  /// Such as `model.dim`.
  public let path: String
  /// The values it takes, as messages say it: `a whole number from 1 to 4096`.
  public let expectation: String
  /// As YAML on one line; nil when the key must be given.
  public let defaultValue: String?
  public let help: String
}
