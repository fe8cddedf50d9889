/// A result with its names and its direction, for tables and scripts.
public struct Measure: Sendable {
  public let key: String
  public let name: String
  /// nil if it could not be computed.
  public let value: Double?
  /// The outer nil means that the metric has no error estimate; the inner nil, that its value is missing.
  public let error: Double??
  public let isBetterHigher: Bool

  /// - Parameter name: nil for the key.
  public init(
    _ key: String, as name: String? = nil, _ value: Double?, error: Double?? = .none, isBetterHigher: Bool
  ) {
    self.key = key
    self.name = name ?? key
    self.value = value
    self.error = error
    self.isBetterHigher = isBetterHigher
  }
}
