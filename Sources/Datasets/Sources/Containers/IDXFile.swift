/// A byte file in the format of the MNIST database (http://yann.lecun.com/exdb/mnist), gzip or plain: a magic number
/// that gives the element type and the number of dimensions, the dimensions, then the elements; numbers are big-endian.
final class IDXFile {
  let path: String
  /// Slowest first.
  let dimensions: [Int]
  private let file: GzipFile

  private var headerSize: Int { 4 + 4 * dimensions.count }

  /// Opens a file of `rank` dimensions and reads it once to check that it is complete.
  ///
  /// - Parameter content: the expected content, for error messages.
  /// - Throws: `DatasetError` if it is not such a file, is damaged, or its size does not match its dimensions.
  init(_ path: String, rank: Int, content: String) throws {
    self.path = path
    let file = try GzipFile(path)
    self.file = file

    var header = [UInt8](repeating: 0, count: 4 + 4 * rank)
    let headerBytes = try header.withUnsafeMutableBytes { try file.read(into: $0) }
    let words = stride(from: 0, to: header.count, by: 4).map { place in
      header[place..<place + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    }
    let magic = 0x800 + UInt32(rank)
    guard headerBytes >= 4, words[0] == magic else {
      let found = headerBytes < 4 ? "\(headerBytes) bytes in all" : hexadecimal(words[0])
      throw DatasetError.badData(
        path, "is not an IDX file of \(content): starts with \(found), expected \(hexadecimal(magic))")
    }
    guard headerBytes == header.count else {
      throw DatasetError.badData(
        path, "ends inside its header, after \(headerBytes) of \(header.count) bytes")
    }
    dimensions = words.dropFirst().map { Int($0) }

    let shape = dimensions.map { "\($0)" }.joined(separator: " x ")
    guard dimensions.allSatisfy({ $0 > 0 }) else {
      throw DatasetError.badData(path, "holds \(shape) \(content), expected at least 1 in each dimension")
    }
    // No memory is allocated on the header's word before the data has been found to exist.
    let promised = dimensions.checkedProduct()
    let found = try countElements(upTo: promised)
    guard found == promised else {
      let expected = promised.map { "\($0)" } ?? "more than 2^63"
      let amount = promised.map { found > $0 ? "more" : "\(found)" } ?? "\(found)"
      throw DatasetError.badData(
        path, "its header promises \(shape) \(content), \(expected) bytes, but \(amount) follow")
    }
  }

  /// Fills `elements` from element `start`.
  func read(into elements: UnsafeMutableBufferPointer<UInt8>, from start: Int) throws {
    try file.seek(to: headerSize + start)
    let count = try file.read(into: UnsafeMutableRawBufferPointer(elements))
    guard count == elements.count else {
      throw DatasetError.badData(path, "became shorter while it was read")
    }
  }

  /// Counts the bytes after the header, stopping after one too many.
  private func countElements(upTo promised: Int?) throws -> Int {
    var found = 0
    try withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 16) { piece in
      while promised.map({ found <= $0 }) ?? true {
        let count = try file.read(into: piece)
        if count == 0 { return }
        found += count
      }
    }
    return found
  }
}

private func hexadecimal(_ word: UInt32) -> String {
  let digits = String(word, radix: 16)
  return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
}
