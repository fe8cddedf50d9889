/// A reason why a dataset cannot be encoded.
public struct LatentEncodingError: Error, CustomStringConvertible, Equatable {
  /// The dataset or directory in question.
  public let path: String
  /// What was found, and how to fix it.
  public let problem: String

  public var description: String { "\(path): \(problem)" }
}
