import Foundation

/// The unique owner of an open file descriptor.
package struct FileDescriptor: ~Copyable, Sendable {
  package let path: String
  private let number: Int32

  /// - Parameter flags: as for `open(2)`; the file is never inherited by child processes.
  package init(_ path: String, _ flags: Int32) throws {
    self.path = path
    number = try Self.retrying("open", path) { open(path, flags | O_CLOEXEC, 0o666) }
  }

  /// Duplicates a descriptor of this process.
  package init(duplicating descriptor: Int32, path: String) throws {
    self.path = path
    number = try Self.retrying("open", path) { fcntl(descriptor, F_DUPFD_CLOEXEC, 3) }
  }

  /// - Parameter flags: as for `open(2)`; the file is never inherited by child processes.
  package init(_ path: RawPath, _ flags: Int32) throws {
    self.path = "\(path)"
    number = try Self.retrying("open", self.path) { path.open(flags) }
  }

  deinit { close(number) }

  /// Sets the file's permissions, as far as the system allows.
  package func setPermissions(_ permissions: mode_t) { fchmod(number, permissions) }

  /// Writes all of `bytes`.
  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes
    while let base = rest.baseAddress, !rest.isEmpty {
      let count = try Self.retrying("write", path) { Foundation.write(number, base, rest.count) }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  /// Writes all of `bytes`, starting at `offset`.
  package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
    var done = 0
    while done < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      done += try Self.retrying("write", path) {
        pwrite(number, rest.baseAddress, rest.count, off_t(offset + done))
      }
    }
  }

  /// Fills `buffer` from `offset` on, up to the end of the file; returns the number of bytes read.
  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws -> Int {
    var filled = 0
    while filled < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
      let count = try Self.retrying("read", path) {
        pread(number, rest.baseAddress, rest.count, off_t(offset + filled))
      }
      if count == 0 { break }
      filled += count
    }
    return filled
  }

  /// The file's status, as returned by `fstat(2)`.
  package func status() throws -> stat {
    var status = stat()
    _ = try Self.retrying("read the size of", path) { fstat(number, &status) }
    return status
  }

  /// Truncates the file to `size` bytes.
  package func truncate(to size: Int) throws {
    _ = try Self.retrying("truncate", path) { ftruncate(number, off_t(size)) }
  }

  /// All bytes from the current position to the end of the file.
  package func readToEnd() throws -> [UInt8] {
    var bytes = [UInt8]()
    var count = 0
    repeat {
      bytes += try [UInt8](unsafeUninitializedCapacity: 1 << 20) { buffer, filled in
        filled = try read(into: UnsafeMutableRawBufferPointer(buffer))
        count = filled
      }
    } while count > 0
    return bytes
  }

  /// Reads the next bytes into `buffer` and returns their number; 0 at the end of the file.
  package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    try Self.retrying("read", path) { Foundation.read(number, buffer.baseAddress, buffer.count) }
  }

  /// Returns once everything written has reached the storage device.
  package func synchronize() throws {
    _ = try Self.retrying("flush", path) { fsync(number) }
  }

  /// Repeats `body` while it is interrupted by signals, and turns its -1 into an error.
  private static func retrying<Result: SignedInteger>(
    _ operation: String, _ path: String, _ body: () -> Result
  ) throws -> Result {
    while true {
      let result = body()
      if result != -1 { return result }
      let code = errno
      if code != EINTR { throw FileError(operation, path, code: code) }
    }
  }
}
