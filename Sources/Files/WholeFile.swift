import Foundation

/// Files that are read and written as wholes.
public enum WholeFile {
  /// All bytes of the file at `path`.
  ///
  /// - Throws: ``FileError``.
  public static func read(_ path: String) throws -> [UInt8] {
    try FileDescriptor(path, O_RDONLY).readToEnd()
  }

  /// The first bytes of the file at `path`: `count`, or all if it has fewer.
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

  /// The bytes of the file at `path`, by number.
  ///
  /// - Throws: ``FileError``.
  public static func size(_ path: String) throws -> Int {
    var status = stat()
    guard stat(path, &status) == 0 else { throw FileError("read the size of", path, code: errno) }
    return Int(status.st_size)
  }

  /// Puts a file with `bytes` at `path`, in the place of what was there: a crash at any moment leaves the old file or
  /// the new one, never a part of either.
  ///
  /// The bytes go to a hidden temporary file in the same folder, which is flushed to the device and renamed; then the
  /// folder is flushed. A failure removes the temporary file and leaves `path` as it was. Of a link, what it leads to
  /// is replaced; into a device, a pipe or a descriptor such as `/dev/stdout` the bytes are written.
  ///
  /// - Throws: ``FileError``.
  public static func write(_ bytes: some ContiguousBytes, to path: String) throws {
    try write(to: path) { file in try bytes.withUnsafeBytes { try file.write($0) } }
  }

  /// Puts a file at `path`, as `write(_:to:)` does, with what `body` writes.
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
      // The caller knows nothing of other paths than this.
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

  /// Finds out whether a file could be put at `path`, without doing so: best before hours of work for it.
  ///
  /// - Throws: ``FileError``, as `write` would.
  public static func checkWritable(_ path: String) throws {
    switch try OutputPlace(path) {
    case .descriptor(let number):
      guard fcntl(number, F_GETFL) != -1 else { throw FileError("write", path, code: errno) }
    case .stream(let place):
      // Opening a pipe would wait for its reader.
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

  /// Whether what is written to `path` goes to the standard output.
  public static func isStandardOutput(_ path: String) -> Bool {
    var (one, other) = (stat(), stat())
    guard fstat(STDOUT_FILENO, &one) == 0, stat(path, &other) == 0 else { return false }
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino
  }

  /// Makes renames in `folder` last. Some network file systems know no flushing of folders, which is no failure.
  ///
  /// - Throws: ``FileError``.
  public static func synchronizeFolder(_ folder: String) throws {
    do {
      try FileDescriptor(folder, O_RDONLY | O_DIRECTORY).synchronize()
    } catch let error as FileError where error.code == EINVAL || error.code == ENOTSUP {
    }
  }

  /// Makes what was written to the file at `path`, by whatever means, last.
  ///
  /// - Throws: ``FileError``.
  public static func synchronize(_ path: String) throws {
    try FileDescriptor(path, O_RDONLY).synchronize()
  }

  /// Gives the file or folder at `source` the name `target`, in the same folder, and makes that last. A file that
  /// has the name already is replaced.
  ///
  /// - Throws: ``FileError``.
  public static func rename(_ source: String, to target: String) throws {
    guard Foundation.rename(source, target) == 0 else { throw FileError("write", target, code: errno) }
    try synchronizeFolder(URL(fileURLWithPath: target).deletingLastPathComponent().path)
  }
}
