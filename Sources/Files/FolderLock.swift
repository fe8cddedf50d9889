import Foundation

/// An exclusive lock on a folder: other processes cannot acquire it until this one is released or the process ends,
/// however it ends.
public final class FolderLock: Sendable {
  private let descriptor: Int32

  /// Returns nil if another process holds the lock. Some network file systems do not support locks; on those, nothing
  /// is protected.
  ///
  /// - Throws: ``FileError`` if there is no folder to lock.
  public init?(_ path: String) throws {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError("open", path, code: errno) }
    self.descriptor = descriptor
    if flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK { return nil }
  }

  deinit {
    // Closing the descriptor alone would keep the lock alive in a child process that another thread is just starting,
    // which shares our descriptors between fork and exec.
    flock(descriptor, LOCK_UN)
    close(descriptor)
  }
}
