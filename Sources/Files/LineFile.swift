import Foundation
import Synchronization

/// A text file that grows line by line. Each line is one call of the system, without a buffer in between: a process
/// that is killed loses no line that it appended.
public final class LineFile: Sendable {
  public var path: String { file.withLock { $0.path } }
  private let file: Mutex<FileDescriptor>

  /// Opens `path` for appending, creating it if needed.
  ///
  /// - Throws: ``FileError``.
  public init(appendingTo path: String) throws {
    file = Mutex(try FileDescriptor(path, O_WRONLY | O_CREAT | O_APPEND))
  }

  /// Appends `line`, which has no line break, and a line break. May be called from any thread.
  ///
  /// - Throws: ``FileError``; the file has no part of the line then.
  public func append(_ line: String) throws {
    precondition(!line.utf8.contains(UInt8(ascii: "\n")), "a line break inside the line \(line)")
    let bytes = Array((line + "\n").utf8)
    try file.withLock { file in
      let size = Int(try file.status().st_size)
      do {
        try bytes.withUnsafeBytes { try file.write($0) }
      } catch {
        // A disk may have had room for a part.
        try? file.truncate(to: size)
        throw error
      }
    }
  }
}
