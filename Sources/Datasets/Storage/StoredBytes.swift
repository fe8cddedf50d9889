/// A known number of bytes in a file, possibly compressed. Sequential access is fast.
protocol StoredBytes: AnyObject {
  /// A file, or a file and its member, for error messages.
  var place: String { get }
  var size: Int { get }

  /// Fills `buffer` from `offset`; the range must lie within the size.
  ///
  /// - Throws: `DatasetError` if the bytes cannot be read or are damaged.
  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws
}

extension StoredBytes {
  func bytes(_ count: Int, at offset: Int) throws -> [UInt8] {
    guard offset >= 0, count >= 0, offset <= size - count else {
      throw DatasetError.badData(place, "ends after \(size) bytes, expected \(count) more at \(offset)")
    }
    return try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      try read(
        into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count]),
        at: offset)
      filled = count
    }
  }
}

extension ReadableFile: StoredBytes {
  var place: String { path }
}

extension Sequence<UInt8> {
  /// The number with these bytes, least significant first.
  var littleEndian: Int {
    reversed().reduce(0) { $0 << 8 | Int($1) }
  }
}
