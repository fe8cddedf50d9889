/// What is wrong with a tokeniser's files, or with the use of one. What the system refuses is a `FileError`.
public struct TokenizerError: Error, Sendable, Equatable {
  /// The file or folder that the error is about.
  public let path: String
  /// The line in the file, from 1; nil when the problem is not in one line.
  public let line: Int?
  /// What was found, what was expected, what to do.
  public let problem: String

  init(_ path: String, line: Int? = nil, _ problem: String) {
    self.path = path
    self.line = line
    self.problem = problem
  }
}

extension TokenizerError: CustomStringConvertible {
  public var description: String { "\(path)\(line.map { ", line \($0)" } ?? ""): \(problem)" }
}
