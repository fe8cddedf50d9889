import Foundation

/// A folder that this process has for itself: others that ask for it are refused until this is released, or until the
/// process ends, however it ends.
public final class FolderLock: Sendable {
  private let descriptor: Int32

  /// nil when another process has the folder. Some network file systems have no locks; there nothing is guarded.
  ///
  /// - Throws: ``FileError`` when there is no folder to lock.
  public init?(_ path: String) throws {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError("open", path, code: errno) }
    self.descriptor = descriptor
    if flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK { return nil }
  }

  deinit {
    // Closing alone would leave the lock with a process that another thread is just starting: between its fork and
    // its exec it has our descriptors.
    flock(descriptor, LOCK_UN)
    close(descriptor)
  }
}
