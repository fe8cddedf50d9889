import Files
import Foundation

/// A file open for reading. Reads take an explicit offset, so any number of threads may share one.
final class ReadableFile: Sendable {
  /// Distinguishes a file from another one that has since replaced it, or from a rewritten version.
  struct Identity: Equatable, Sendable {
    let device: UInt64
    let node: UInt64
    let size: Int
    let modified: [Int]
  }

  let identity: Identity
  private let file: FileDescriptor

  /// - Throws: `DatasetError` if the file is missing, not a plain file, or may not be read.
  init(_ path: String) throws {
    let file = try DatasetError.mapping { try FileDescriptor(path, O_RDONLY) }
    let status = try DatasetError.mapping { try file.status() }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw DatasetError.badData(path, "is not a plain file")
    }
    self.file = file
    identity = Identity(
      device: UInt64(status.st_dev), node: UInt64(status.st_ino), size: Int(status.st_size),
      modified: [status.st_mtim.tv_sec, status.st_mtim.tv_nsec])
  }

  var path: String { file.path }
  var size: Int { identity.size }

  /// Fills `buffer` from `offset`.
  ///
  /// - Throws: `DatasetError` if reading fails or the file ends early.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    let count = try DatasetError.mapping { try file.read(into: buffer, at: offset) }
    guard count == buffer.count else {
      throw DatasetError.badData(
        path, "ends before byte \(offset + buffer.count); it had \(size) bytes when it was opened")
    }
  }
}
