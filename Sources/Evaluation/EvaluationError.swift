/// Why sets of images or features cannot be evaluated.
public struct EvaluationError: Error, Sendable, Equatable, CustomStringConvertible {
  public enum Kind: Sendable {
    /// The call asks for what does not go together.
    case usage
    /// A file or a set of features is not what it must be.
    case badData
  }

  public let kind: Kind
  /// The file, the directory or the set that the error is about.
  public let place: String
  /// What was found, what was expected, what to do.
  public let problem: String

  public var description: String { "\(place): \(problem)" }

  static func usage(_ place: String, _ problem: String) -> EvaluationError {
    EvaluationError(kind: .usage, place: place, problem: problem)
  }

  static func badData(_ place: String, _ problem: String) -> EvaluationError {
    EvaluationError(kind: .badData, place: place, problem: problem)
  }
}
