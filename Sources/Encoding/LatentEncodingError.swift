/// What cannot be encoded.
public struct LatentEncodingError: Error, CustomStringConvertible, Equatable {
  /// The dataset, or the directory, that it is about.
  public let path: String
  /// What was found, and what to do.
  public let problem: String

  public var description: String { "\(path): \(problem)" }
}
