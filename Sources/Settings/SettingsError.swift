/// One or more problems with a configuration, one per line of the description.
public struct SettingsError: Error, Sendable, Equatable, CustomStringConvertible {
  public struct Problem: Sendable, Equatable, CustomStringConvertible {
    /// The key's path, such as `model.dim`; empty for the whole configuration.
    public let path: String
    /// Where the setting was written; nil if it was not.
    public let location: SettingsLocation?
    public let message: String

    public init(path: String, location: SettingsLocation?, message: String) {
      self.path = path
      self.location = location
      self.message = message
    }

    /// For example, `configs/shapes.yaml:12: model.dim: expected a whole number, found "wide"`.
    public var description: String {
      [location?.description, path.isEmpty ? nil : path, message].compactMap { $0 }.joined(separator: ": ")
    }
  }

  public let problems: [Problem]

  public init(_ problems: [Problem]) {
    precondition(!problems.isEmpty, "an error without a problem")
    self.problems = problems
  }

  public init(path: String = "", location: SettingsLocation? = nil, _ message: String) {
    self.init([Problem(path: path, location: location, message: message)])
  }

  public var description: String { problems.map(\.description).joined(separator: "\n") }
}
