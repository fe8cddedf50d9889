import Foundation

/// Overwrites an existing file from beginning to end, computing its digest in the same pass.
///
/// Writes bypass the page cache where the file system allows: a large file that will not be read again soon would only
/// evict useful data, and copying it into the cache costs more than writing it.
package final class OverwrittenFile {
  private let cached: FileDescriptor
  /// nil if all writes go through the page cache.
  private var direct: FileDescriptor?
  private let size: Int
  private let digest = SHA256.Stream()
  /// A buffer for the next bytes, written once it is full.
  private let window = UnsafeMutableRawBufferPointer.allocate(byteCount: windowSize, alignment: 4096)
  private var filled = 0
  /// The window's offset in the file.
  private var position = 0

  /// A multiple of any device's block size.
  private static let windowSize = 1 << 20

  /// - Throws: `FileError` if the file does not exist.
  package init(_ path: String) throws {
    cached = try FileDescriptor(path, O_RDWR)
    size = Int(try cached.status().st_size)
    do {
      // O_DIRECT itself requires _GNU_SOURCE.
      direct = try FileDescriptor(path, O_WRONLY | __O_DIRECT)
    } catch let error as FileError where error.code == EINVAL {
    }
  }

  deinit { window.deallocate() }

  /// Appends `bytes` at the current position.
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

  /// Keeps the existing bytes up to `end`.
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

  /// Keeps the remaining bytes, and returns once everything has reached the device.
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
    // The last window is only partially filled and may not end on a block boundary.
    if direct != nil, bytes.count == window.count {
      do {
        try direct?.write(bytes, at: position)
        return
      } catch let error as FileError where error.code == EINVAL {
        // Some file systems only report here that they do not support direct I/O.
        direct = nil
      }
    }
    try cached.write(bytes, at: position)
  }
}
