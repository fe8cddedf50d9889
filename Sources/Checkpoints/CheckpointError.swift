import Files
import Foundation

/// Thrown when a checkpoint cannot be used.
public struct CheckpointError: Error, CustomStringConvertible, Equatable {
  public let path: String
  public let problem: String
  /// The system's error number, if a system call failed.
  public let code: Int32?
  /// Whether an earlier checkpoint may be used instead: files are missing, altered or unreadable. Otherwise they are as
  /// written, but not what was asked for.
  package let isDamage: Bool

  init(_ path: String, _ problem: String, code: Int32? = nil, isDamage: Bool = true) {
    self.path = path
    self.problem = problem
    self.code = code
    self.isDamage = isDamage
  }

  /// A checkpoint whose files are intact, but which is not what was asked for.
  package static func unsuitable(_ path: String, _ problem: String) -> Self {
    Self(path, problem, isDamage: false)
  }

  public var description: String { "\(path): \(problem)" }

  /// Turns a system error on the file at `path` into damage of the checkpoint, except when this process has run out of
  /// a resource such as descriptors.
  static func naming<Value>(_ path: String, _ body: () throws -> Value) throws -> Value {
    do {
      return try body()
    } catch let error as FileError where ![EMFILE, ENFILE, ENOMEM].contains(error.code) {
      throw CheckpointError(
        path, error.code == ENOENT ? "is missing" : "cannot be read: \(error.reason)", code: error.code)
    }
  }
}
