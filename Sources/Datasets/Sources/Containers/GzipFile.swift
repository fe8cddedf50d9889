import CZlib
import Foundation

/// A file open for sequential reading, gzip or plain.
final class GzipFile {
  let path: String
  private let file: gzFile

  /// - Throws: `DatasetError` if the file cannot be opened.
  init(_ path: String) throws {
    errno = 0
    guard let file = gzopen(path, "rbe") else {
      throw DatasetError.system(path, "open it", code: errno == 0 ? ENOMEM : errno)
    }
    gzbuffer(file, 1 << 17)
    self.path = path
    self.file = file
  }

  deinit { gzclose_r(file) }

  /// Fills `buffer` up to the end of the data; returns the number of bytes read.
  ///
  /// - Throws: `DatasetError` if reading fails, or the gzip data is truncated or corrupt.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    var filled = 0
    while filled < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...].prefix(1 << 30))
      let count = gzread(file, rest.baseAddress, UInt32(rest.count))
      if count <= 0 {
        try check()
        break
      }
      filled += Int(count)
    }
    return filled
  }

  /// Moves to an offset in the uncompressed data. Moving backwards rereads from the start.
  func seek(to offset: Int) throws {
    guard gztell(file) != offset else { return }
    guard gzseek(file, offset, SEEK_SET) == offset else {
      try check()
      throw DatasetError.badData(path, "ends before byte \(offset)")
    }
  }

  private func check() throws {
    var code: Int32 = 0
    // zlib prefixes its messages with the path, as ours do already.
    let message =
      gzerror(file, &code).map { String(cString: $0).replacingOccurrences(of: "\(path): ", with: "") } ?? ""
    switch code {
    case Z_OK: return
    case Z_ERRNO: throw DatasetError.system(path, "read it")
    case Z_BUF_ERROR:
      throw DatasetError.badData(path, "is truncated: the gzip data ends early; fetch it again")
    default: throw DatasetError.badData(path, "is corrupt gzip data (\(message)); fetch it again")
    }
  }
}
