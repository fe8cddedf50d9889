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
  /// folder is flushed. A failure removes the temporary file and leaves `path` as it was.
  ///
  /// - Throws: ``FileError``.
  public static func write(_ bytes: some ContiguousBytes, to path: String) throws {
    try write(to: path) { file in try bytes.withUnsafeBytes { try file.write($0) } }
  }

  /// Puts a file at `path`, as `write(_:to:)` does, with what `body` writes.
  ///
  /// - Throws: ``FileError``, and what `body` throws.
  package static func write(to path: String, _ body: (borrowing FileDescriptor) throws -> Void) throws {
    let url = URL(fileURLWithPath: path)
    let folder = url.deletingLastPathComponent().path
    // The process in the name keeps writers of the same file apart.
    let temporary = "\(folder)/.\(url.lastPathComponent).\(getpid()).tmp"
    do {
      let file = try FileDescriptor(temporary, O_WRONLY | O_CREAT | O_TRUNC)
      try body(file)
      try file.synchronize()
      try rename(temporary, to: path)
    } catch {
      unlink(temporary)
      // The caller knows nothing of the temporary file.
      throw (error as? FileError).map { FileError("write", path, code: $0.code) } ?? error
    }
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
