import Foundation

/// The owner of a file descriptor.
final class OpenFile: Sendable {
  private let descriptor: Int32
  /// What errors name; of a temporary file, the file that it is to become.
  private let path: String

  /// - Parameter label: what errors name, if not `path`.
  init(_ path: String, flags: Int32, label: String? = nil) throws {
    self.path = label ?? path
    descriptor = try Self.check("open", self.path) { open(path, flags | O_CLOEXEC, 0o666) }
  }

  deinit { close(descriptor) }

  /// The size in bytes.
  func regularFileSize() throws -> UInt64 {
    var status = stat()
    try Self.check("fstat", path) { fstat(descriptor, &status) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw SafetensorsError(path, .notARegularFile) }
    return UInt64(status.st_size)
  }

  /// Fills `bytes` with what lies at `offset`.
  func read(_ bytes: UnsafeMutableRawBufferPointer, at offset: UInt64) throws {
    var done = 0
    while done < bytes.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[done...])
      let count = try Self.check("pread", path) {
        pread(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(done))
      }
      // The file was checked to be long enough when it was opened: somebody has cut it since.
      guard count > 0 else {
        throw SafetensorsError(
          path, .truncated(needed: offset + UInt64(bytes.count), found: offset + UInt64(done)))
      }
      done += count
    }
  }

  /// Appends `bytes`.
  func write(_ bytes: UnsafeRawBufferPointer) throws {
    var done = 0
    while done < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      done += try Self.check("write", path) { Foundation.write(descriptor, rest.baseAddress, rest.count) }
    }
  }

  /// Waits until all that was written is on the disk.
  func synchronize() throws {
    try Self.check("fsync", path) { fsync(descriptor) }
  }

  /// Writes a file as a whole: whatever happens, `path` names either the new content or what it named before.
  ///
  /// A crash may leave a file `.*.partial` beside it.
  static func replace(_ path: String, _ body: (OpenFile) throws -> Void) throws {
    let directory = (path as NSString).deletingLastPathComponent
    let partial = (directory as NSString).appendingPathComponent(".\(UUID().uuidString).partial")
    do {
      let file = try OpenFile(partial, flags: O_WRONLY | O_CREAT | O_EXCL, label: path)
      try body(file)
      try file.synchronize()
    } catch {
      unlink(partial)
      throw error
    }
    do {
      try check("rename", path) { rename(partial, path) }
    } catch {
      unlink(partial)
      throw error
    }
    // The new name is on the disk when the directory is.
    try OpenFile(directory.isEmpty ? "." : directory, flags: O_RDONLY | O_DIRECTORY, label: path)
      .synchronize()
  }

  /// Calls a function of the operating system, again when a signal interrupted it.
  @discardableResult
  private static func check<Result: SignedInteger>(
    _ call: String, _ path: String, _ body: () -> Result
  ) throws -> Result {
    while true {
      let result = body()
      if result != -1 { return result }
      let code = errno
      if code != EINTR { throw SafetensorsError(path, .system(call: call, code: code)) }
    }
  }
}
