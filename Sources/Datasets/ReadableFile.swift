import Foundation

/// A file open to read. Reads name their place in it, so any number of threads may share one.
final class ReadableFile: Sendable {
  /// What tells a file from another that has taken its name since, or from itself rewritten.
  struct Identity: Equatable, Sendable {
    let device: UInt64
    let node: UInt64
    let size: Int
    let modified: [Int]
  }

  let path: String
  let identity: Identity
  private let descriptor: Int32

  /// - Throws: `DatasetError` if the file is missing, not a plain file, or may not be read.
  init(_ path: String) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw DatasetError.system(path, "open it") }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let error = DatasetError.system(path, "read its size")
      Foundation.close(descriptor)
      throw error
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      Foundation.close(descriptor)
      throw DatasetError.badData(path, "is not a plain file")
    }
    self.path = path
    self.descriptor = descriptor
    identity = Identity(
      device: UInt64(status.st_dev), node: UInt64(status.st_ino), size: Int(status.st_size),
      modified: [status.st_mtim.tv_sec, status.st_mtim.tv_nsec])
  }

  deinit { Foundation.close(descriptor) }

  var size: Int { identity.size }

  /// Fills `buffer` from `offset`.
  ///
  /// - Throws: `DatasetError` if reading fails or the file ends before.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    let count = try readAvailable(into: buffer, at: offset)
    guard count == buffer.count else {
      throw DatasetError.badData(
        path, "ends before byte \(offset + buffer.count); it had \(size) bytes when it was opened")
    }
  }

  /// Fills `buffer` from `offset` as far as the file goes; returns how far.
  func readAvailable(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws -> Int {
    var filled = 0
    while filled < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
      let count = pread(descriptor, rest.baseAddress, rest.count, off_t(offset + filled))
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw DatasetError.system(path, "read it") }
      if count == 0 { break }
      filled += count
    }
    return filled
  }
}
