import Foundation

/// Writes a file anew from its beginning to its end, and takes its digest on the way.
///
/// The bytes go past the system's cache where the file system lets them: a large file that is not read again soon would
/// only drive what is needed out of it, and copying into it costs more than writing.
package final class OverwrittenFile {
  private let cached: FileDescriptor
  /// nil where everything goes through the cache.
  private var direct: FileDescriptor?
  private let size: Int
  private let digest = SHA256.Stream()
  /// What comes next, until it is a whole window.
  private let window = UnsafeMutableRawBufferPointer.allocate(byteCount: windowSize, alignment: 4096)
  private var filled = 0
  /// Where in the file the window begins.
  private var position = 0

  /// A multiple of every device's block.
  private static let windowSize = 1 << 20

  /// - Throws: `FileError` if there is no such file.
  package init(_ path: String) throws {
    cached = try FileDescriptor(path, O_RDWR)
    size = Int(try cached.status().st_size)
    do {
      // O_DIRECT itself hides behind _GNU_SOURCE.
      direct = try FileDescriptor(path, O_WRONLY | __O_DIRECT)
    } catch let error as FileError where error.code == EINVAL {
    }
  }

  deinit { window.deallocate() }

  /// Writes `bytes` next.
  ///
  /// - Throws: `FileError`.
  package func append(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes
    while !rest.isEmpty {
      let count = min(rest.count, window.count - filled)
      window.baseAddress?.advanced(by: filled).copyMemory(from: rest.baseAddress!, byteCount: count)
      filled += count
      if filled == window.count { try flush() }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  /// Leaves what comes next as it is, up to `end`.
  ///
  /// - Throws: `FileError`.
  package func keep(until end: Int) throws {
    precondition(end >= position + filled, "byte \(end) is behind \(position + filled)")
    while position + filled < end {
      let count = min(end - position - filled, window.count - filled)
      let read = try cached.read(
        into: UnsafeMutableRawBufferPointer(rebasing: window[filled..<filled + count]), at: position + filled)
      guard read == count else { throw FileError("read", cached.path, code: EIO) }
      filled += count
      if filled == window.count { try flush() }
    }
  }

  /// Leaves the rest as it is, and returns when all is on the device.
  ///
  /// - Returns: the file's size and digest.
  /// - Throws: `FileError`.
  package func finish() throws -> (bytes: Int, sha256: String) {
    try keep(until: size)
    try flush()
    try cached.synchronize()
    return (position, digest.finish())
  }

  private func flush() throws {
    let bytes = UnsafeRawBufferPointer(rebasing: window[..<filled])
    digest.append(bytes)
    try write(bytes)
    position += filled
    filled = 0
  }

  private func write(_ bytes: UnsafeRawBufferPointer) throws {
    // The last window ends where the file does, which is within a block.
    if direct != nil, bytes.count == window.count {
      do {
        try direct?.write(bytes, at: position)
        return
      } catch let error as FileError where error.code == EINVAL {
        // Some file systems say only now that they cannot.
        direct = nil
      }
    }
    try cached.write(bytes, at: position)
  }
}
