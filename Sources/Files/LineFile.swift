import Foundation
import Synchronization

/// A text file that grows line by line. Each line is written with a single, unbuffered system call, so a process that
/// is killed loses no line it has appended.
public final class LineFile: Sendable {
  public var path: String { file.withLock { $0.path } }
  private let file: Mutex<FileDescriptor>

  /// Opens `path` for appending, creating it if needed.
  ///
  /// - Throws: ``FileError``.
  public init(appendingTo path: String) throws {
    file = Mutex(try FileDescriptor(path, O_WRONLY | O_CREAT | O_APPEND))
  }

  /// Appends `line`, which must not contain a line break, followed by a line break. May be called from any thread.
  ///
  /// - Throws: ``FileError``, in which case no part of the line remains in the file.
  public func append(_ line: String) throws {
    precondition(!line.utf8.contains(UInt8(ascii: "\n")), "a line break inside the line \(line)")
    let bytes = Array((line + "\n").utf8)
    try file.withLock { file in
      let size = Int(try file.status().st_size)
      do {
        try bytes.withUnsafeBytes { try file.write($0) }
      } catch {
        // The disk may have had room for part of the line.
        try? file.truncate(to: size)
        throw error
      }
    }
  }
}
