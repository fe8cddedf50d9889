/// An error in a tokeniser's files or in its use. System errors are `FileError`s.
public struct TokenizerError: Error, Sendable, Equatable {
  /// The file or folder that the error is about.
  public let path: String
  /// The line in the file, from 1; nil if the problem is not on one line.
  public let line: Int?
  /// What was found, what was expected, and how to fix it.
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
