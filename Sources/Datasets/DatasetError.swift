import Files
import Foundation

/// An error in a dataset, or in the data that one is made from.
public struct DatasetError: Error, Sendable, Equatable {
  public enum Kind: Sendable {
    /// Invalid data: missing, damaged or inconsistent.
    case badData
    /// The system could not read or write: no permission, no space, a failing disk.
    case inputOutput
  }

  public let kind: Kind
  /// The file or directory that the error is about.
  public let path: String
  /// What was found, what was expected, and how to fix it.
  public let problem: String

  /// Invalid data at `path`.
  static func badData(_ path: String, _ problem: String) -> DatasetError {
    DatasetError(kind: .badData, path: path, problem: problem)
  }

  /// A system call on `path` that failed with `code`, an `errno`. A missing file counts as bad data, since nothing
  /// failed.
  static func system(_ path: String, _ action: String, code: Int32 = errno) -> DatasetError {
    let kind: Kind = code == ENOENT || code == ENOTDIR ? .badData : .inputOutput
    return DatasetError(
      kind: kind, path: path, problem: "cannot \(action): \(String(cString: strerror(code)))")
  }
}

extension DatasetError {
  /// A system failure on a file of a dataset.
  init(_ error: FileError) {
    self = .system(error.path, "\(error.operation) it", code: error.code)
  }

  /// Runs `body`, converting file errors into dataset errors.
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
