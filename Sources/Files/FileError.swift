import Foundation

/// A failed system call on a file.
public struct FileError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The operation that failed, such as `write`.
  public let operation: String
  public let path: String
  /// The system's error number.
  public let code: Int32

  public init(_ operation: String, _ path: String, code: Int32) {
    self.operation = operation
    self.path = path
    self.code = code
  }

  /// Wraps an error that Foundation threw for `operation`, using the underlying system error.
  public init(_ operation: String, _ path: String, cause: any Error) {
    let error = cause as NSError
    let beneath =
      error.userInfo[NSUnderlyingErrorKey].flatMap { $0 as? any Error }.map { $0 as NSError } ?? error
    self.init(operation, path, code: beneath.domain == NSPOSIXErrorDomain ? Int32(beneath.code) : EIO)
  }

  /// The system's description of the error number.
  public var reason: String { String(cString: strerror(code)) }

  /// For example, `cannot write runs/first/metrics.jsonl: No space left on device`.
  public var description: String { "cannot \(operation) \(path): \(reason)" }
}
