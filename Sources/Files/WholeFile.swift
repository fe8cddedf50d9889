import Foundation

/// Reads and writes files as a whole.
public enum WholeFile {
  /// All bytes of the file at `path`.
  ///
  /// - Throws: ``FileError``.
  public static func read(_ path: String) throws -> [UInt8] {
    try FileDescriptor(path, O_RDONLY).readToEnd()
  }

  /// The first `count` bytes of the file at `path`, or all if it has fewer.
  ///
  /// - Throws: ``FileError``.
  public static func read(_ path: String, upTo count: Int) throws -> [UInt8] {
    let file = try FileDescriptor(path, O_RDONLY)
    return try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count {
        let read = try file.read(
          into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[filled..<count])
        )
        if read == 0 { return }
        filled += read
      }
    }
  }

  /// The size of the file at `path` in bytes.
  ///
  /// - Throws: ``FileError``.
  public static func size(_ path: String) throws -> Int {
    var status = stat()
    guard stat(path, &status) == 0 else { throw FileError("read the size of", path, code: errno) }
    return Int(status.st_size)
  }

  /// Writes a file with `bytes` to `path`, replacing any existing file atomically: a crash at any moment leaves either
  /// the old or the new file intact.
  ///
  /// The bytes are written to a hidden temporary file in the same folder, which is flushed to the device and renamed;
  /// then the folder is flushed. On failure, the temporary file is removed and `path` is left unchanged. If `path` is a
  /// link, its target is replaced; devices, pipes and descriptors such as `/dev/stdout` are written to directly.
  ///
  /// - Throws: ``FileError``.
  public static func write(_ bytes: some ContiguousBytes, to path: String) throws {
    try write(to: path) { file in try bytes.withUnsafeBytes { try file.write($0) } }
  }

  /// Writes a file to `path` like `write(_:to:)`, with the contents written by `body`.
  ///
  /// - Throws: ``FileError``, and what `body` throws.
  package static func write(to path: String, _ body: (borrowing FileDescriptor) throws -> Void) throws {
    do {
      switch try OutputPlace(path) {
      case .descriptor(let number): try body(FileDescriptor(duplicating: number, path: path))
      case .stream(let place): try body(FileDescriptor(place, O_WRONLY | O_NOCTTY))
      case .file(let place, let permissions): try replace(place, permissions, body)
      }
    } catch let error as FileError {
      // The caller only knows this path.
      throw FileError("write", path, code: error.code)
    }
  }

  private static func replace(
    _ path: String, _ permissions: mode_t?, _ body: (borrowing FileDescriptor) throws -> Void
  ) throws {
    let temporary = TemporaryName.beside(path)
    let file = try FileDescriptor(temporary, O_WRONLY | O_CREAT | O_EXCL)
    do {
      if let permissions { file.setPermissions(permissions) }
      try body(file)
      try file.synchronize()
      try rename(temporary, to: path)
    } catch {
      unlink(temporary)
      throw error
    }
  }

  /// Checks whether a file could be written to `path`, without doing so; useful before hours of work.
  ///
  /// - Throws: ``FileError`` if `write` would.
  public static func checkWritable(_ path: String) throws {
    switch try OutputPlace(path) {
    case .descriptor(let number):
      guard fcntl(number, F_GETFL) != -1 else { throw FileError("write", path, code: errno) }
    case .stream(let place):
      // Opening a pipe would block until it has a reader.
      guard access(place, W_OK) == 0 else { throw FileError("write", path, code: errno) }
    case .file(let place, _):
      let temporary = TemporaryName.beside(place)
      do {
        _ = try FileDescriptor(temporary, O_WRONLY | O_CREAT | O_EXCL)
        unlink(temporary)
      } catch let error as FileError {
        throw FileError("write", path, code: error.code)
      }
    }
  }

  /// Whether `path` refers to the standard output.
  public static func isStandardOutput(_ path: String) -> Bool {
    var (one, other) = (stat(), stat())
    guard fstat(STDOUT_FILENO, &one) == 0, stat(path, &other) == 0 else { return false }
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino
  }

  /// Makes renames in `folder` durable. Some network file systems do not support flushing folders, which is ignored.
  ///
  /// - Throws: ``FileError``.
  public static func synchronizeFolder(_ folder: String) throws {
    do {
      try FileDescriptor(folder, O_RDONLY | O_DIRECTORY).synchronize()
    } catch let error as FileError where error.code == EINVAL || error.code == ENOTSUP {
    }
  }

  /// Makes everything written to the file at `path`, by whatever means, durable.
  ///
  /// - Throws: ``FileError``.
  public static func synchronize(_ path: String) throws {
    try FileDescriptor(path, O_RDONLY).synchronize()
  }

  /// Durably renames the file or folder at `source` to `target` in the same folder. An existing file at `target` is
  /// replaced.
  ///
  /// - Throws: ``FileError``.
  public static func rename(_ source: String, to target: String) throws {
    guard Foundation.rename(source, target) == 0 else { throw FileError("write", target, code: errno) }
    try synchronizeFolder(URL(fileURLWithPath: target).deletingLastPathComponent().path)
  }
}
