/// The reason why sets of images or features cannot be evaluated.
public struct EvaluationError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The file, directory or set that the error is about.
  public let place: String
  /// What was found, what was expected, and how to fix it.
  public let problem: String

  public var description: String { "\(place): \(problem)" }

  init(_ place: String, _ problem: String) {
    self.place = place
    self.problem = problem
  }
}
