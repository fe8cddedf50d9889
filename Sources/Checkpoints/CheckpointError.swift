import Files
import Foundation

/// A checkpoint that cannot be used, and why.
public struct CheckpointError: Error, CustomStringConvertible, Equatable {
  public let path: String
  public let problem: String
  /// The system's error number, if it refused something.
  public let code: Int32?
  /// Whether an earlier checkpoint may be used in its place: files are missing, altered, or cannot be read. Otherwise
  /// they are what was written, which is not what is wanted.
  package let isDamage: Bool

  init(_ path: String, _ problem: String, code: Int32? = nil, isDamage: Bool = true) {
    self.path = path
    self.problem = problem
    self.code = code
    self.isDamage = isDamage
  }

  /// A checkpoint whose files are good, but which is not what is wanted.
  package static func unsuitable(_ path: String, _ problem: String) -> Self {
    Self(path, problem, isDamage: false)
  }

  public var description: String { "\(path): \(problem)" }

  /// What the system refuses of the file at `path` is the checkpoint's damage; what this process has too little of, such
  /// as descriptors, is not.
  static func naming<Value>(_ path: String, _ body: () throws -> Value) throws -> Value {
    do {
      return try body()
    } catch let error as FileError where ![EMFILE, ENFILE, ENOMEM].contains(error.code) {
      throw CheckpointError(
        path, error.code == ENOENT ? "is missing" : "cannot be read: \(error.reason)", code: error.code)
    }
  }
}
