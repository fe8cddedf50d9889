/// The declaration of a key, for reference documentation.
public struct SettingsDeclaration: Sendable, Equatable {
  /// The key's path, such as `model.dim`.
  public let path: String
  /// The values it accepts, as described in messages: `a whole number from 1 to 4096`.
  public let expectation: String
  /// The default as YAML on one line; nil if the key is required.
  public let defaultValue: String?
  public let help: String
}
