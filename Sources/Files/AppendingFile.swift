import Foundation

/// A file that grows record by record, each appended with a single system call.
public final class AppendingFile {
  private let file: FileDescriptor

  /// Opens `path` for appending, creating it if needed.
  ///
  /// - Throws: ``FileError``.
  public init(_ path: String) throws {
    file = try FileDescriptor(path, O_WRONLY | O_CREAT | O_APPEND)
  }

  /// - Throws: ``FileError``.
  public func append(_ record: [UInt8]) throws {
    try record.withUnsafeBytes { try file.write($0) }
  }
}
