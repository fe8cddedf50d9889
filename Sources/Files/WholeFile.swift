import Foundation

/// Files that are read and written as wholes.
public enum WholeFile {
  /// All bytes of the file at `path`.
  ///
  /// - Throws: ``FileError``.
  public static func read(_ path: String) throws -> [UInt8] {
    try FileDescriptor(path, O_RDONLY).readToEnd()
  }

  /// Puts a file with `bytes` at `path`, in the place of what was there: a crash at any moment leaves the old file or
  /// the new one, never a part of either.
  ///
  /// The bytes go to a hidden temporary file in the same folder, which is flushed to the device and renamed; then the
  /// folder is flushed. A failure removes the temporary file and leaves `path` as it was.
  ///
  /// - Throws: ``FileError``.
  public static func write(_ bytes: some ContiguousBytes, to path: String) throws {
    let url = URL(fileURLWithPath: path)
    let folder = url.deletingLastPathComponent().path
    // The process in the name keeps writers of the same file apart.
    let temporary = "\(folder)/.\(url.lastPathComponent).\(getpid()).tmp"
    do {
      let file = try FileDescriptor(temporary, O_WRONLY | O_CREAT | O_TRUNC)
      try bytes.withUnsafeBytes { try file.write($0) }
      try file.synchronize()
    } catch let error as FileError {
      unlink(temporary)
      // The caller knows nothing of the temporary file.
      throw FileError("write", path, code: error.code)
    }
    guard rename(temporary, path) == 0 else {
      let code = errno
      unlink(temporary)
      throw FileError("write", path, code: code)
    }
    try synchronizeFolder(folder)
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
}
