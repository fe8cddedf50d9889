import Files
import Foundation

/// What is wrong with a dataset, or with what one is made from.
public struct DatasetError: Error, Sendable, Equatable {
  public enum Kind: Sendable {
    /// The data is not what it must be: missing, damaged, inconsistent.
    case badData
    /// The system could not read or write: no permission, no space, a failing disk.
    case inputOutput
  }

  public let kind: Kind
  /// The file or directory that the error is about.
  public let path: String
  /// What was found, what was expected, what to do.
  public let problem: String

  /// Data at `path` that is not what it must be.
  static func badData(_ path: String, _ problem: String) -> DatasetError {
    DatasetError(kind: .badData, path: path, problem: problem)
  }

  /// A system call that failed on `path` with `code`, an `errno`. What does not exist is bad data: nothing failed.
  static func system(_ path: String, _ action: String, code: Int32 = errno) -> DatasetError {
    let kind: Kind = code == ENOENT || code == ENOTDIR ? .badData : .inputOutput
    return DatasetError(
      kind: kind, path: path, problem: "cannot \(action): \(String(cString: strerror(code)))")
  }
}

extension DatasetError {
  /// A failure of the system's, on a file of a dataset.
  init(_ error: FileError) {
    self = .system(error.path, "\(error.operation) it", code: error.code)
  }

  /// Runs `body` with its file errors turned into errors about a dataset.
  static func mapping<Result: ~Copyable>(_ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as FileError {
      throw DatasetError(error)
    }
  }
}

extension DatasetError: CustomStringConvertible {
  public var description: String { "\(path): \(problem)" }
}
