import Foundation

/// A system call on a file that failed.
public struct FileError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What was tried, such as `write`.
  public let operation: String
  public let path: String
  /// The system's error number.
  public let code: Int32

  public init(_ operation: String, _ path: String, code: Int32) {
    self.operation = operation
    self.path = path
    self.code = code
  }

  /// What Foundation threw for `operation`, as the system's error beneath it.
  public init(_ operation: String, _ path: String, cause: any Error) {
    let error = cause as NSError
    let beneath =
      error.userInfo[NSUnderlyingErrorKey].flatMap { $0 as? any Error }.map { $0 as NSError } ?? error
    self.init(operation, path, code: beneath.domain == NSPOSIXErrorDomain ? Int32(beneath.code) : EIO)
  }

  /// The system's words for the error number.
  public var reason: String { String(cString: strerror(code)) }

  /// `cannot write runs/first/metrics.jsonl: No space left on device`.
  public var description: String { "cannot \(operation) \(path): \(reason)" }
}
