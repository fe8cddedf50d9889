import CZlib
import Foundation

/// A ZIP file: what is in it by name (PKWARE, "APPNOTE.TXT", version 6.3, sections 4.3 to 4.5). Reads what is stored or
/// deflated, of any size; neither encrypted nor spread over several files.
struct ZipArchive {
  let path: String
  /// In the order of the file's directory.
  var names: [String] { entries.map(\.name) }

  private let file: ReadableFile
  private let entries: [Entry]

  fileprivate struct Entry {
    let name: String
    let method: Int
    let isEncrypted: Bool
    let checksum: UInt
    let packedSize: Int
    let size: Int
    let headerOffset: Int
  }

  /// Directories beyond this are not read.
  private static let directoryLimit = 64 << 20

  /// - Throws: `DatasetError` if the file is no ZIP file, or its directory is damaged.
  init(_ file: ReadableFile) throws {
    path = file.path
    self.file = file
    let (offset, size, count) = try Self.locateDirectory(file)
    guard (0...Self.directoryLimit).contains(size), offset >= 0, count >= 0, offset <= file.size - size else {
      throw DatasetError.badData(path, "is a damaged ZIP file: its directory is said to be outside of it")
    }
    let directory = try file.bytes(size, at: offset)
    var entries: [Entry] = []
    var place = 0
    for _ in 0..<count {
      guard let (entry, next) = Self.entry(directory, at: place) else {
        throw DatasetError.badData(
          path, "is a damaged ZIP file: its directory breaks off at entry \(entries.count)")
      }
      entries.append(entry)
      place = next
    }
    self.entries = entries
  }

  /// What is in the file under `name`; nil if nothing is.
  ///
  /// - Throws: `DatasetError` if it is packed in a way that is not read, or does not lie in the file.
  func open(_ name: String) throws -> (any StoredBytes)? {
    guard let entry = entries.first(where: { $0.name == name }) else { return nil }
    let place = "\(path), \(name)"
    guard !entry.isEncrypted, entry.method == 0 || entry.method == 8 else {
      throw DatasetError.badData(
        place, entry.isEncrypted ? "is encrypted" : "is packed with method \(entry.method), expected 0 or 8")
    }
    let header = try file.bytes(30, at: entry.headerOffset)
    let offset = entry.headerOffset + 30 + header[26..<28].littleEndian + header[28..<30].littleEndian
    guard header.starts(with: [0x50, 0x4B, 3, 4]), offset <= file.size - entry.packedSize else {
      throw DatasetError.badData(place, "is not where the ZIP file's directory says")
    }
    // Deflate packs 1032 bytes into one at best.
    guard entry.method == 0 ? entry.size == entry.packedSize : entry.size / 1032 <= entry.packedSize else {
      throw DatasetError.badData(
        place, "cannot hold the \(entry.size) bytes that are said to be in its \(entry.packedSize)")
    }
    return try ZipMember(entry, place: place, file: file, offset: offset)
  }

  /// Where the directory lies, by the record at the file's end.
  private static func locateDirectory(_ file: ReadableFile) throws -> (offset: Int, size: Int, count: Int) {
    // The record has 22 bytes, and a comment of up to 65535 behind it.
    let tail = try file.bytes(min(file.size, 22 + 65535), at: max(0, file.size - 22 - 65535))
    let isRecord = { (place: Int) in tail[place...].starts(with: [0x50, 0x4B, 5, 6]) }
    guard tail.count >= 22, let record = (0...tail.count - 22).reversed().first(where: isRecord) else {
      throw DatasetError.badData(
        file.path, "is no ZIP file, or one that was cut off: its directory is missing")
    }
    func number(_ offset: Int, _ count: Int) -> Int {
      tail[record + offset..<record + offset + count].littleEndian
    }
    let (count, size, offset) = (number(10, 2), number(12, 4), number(16, 4))
    guard count == 0xFFFF || size == 0xFFFF_FFFF || offset == 0xFFFF_FFFF else {
      return (offset, size, count)
    }
    // ZIP64: the numbers are in another record, whose place is told just before this one.
    guard record >= 20, tail[(record - 20)...].starts(with: [0x50, 0x4B, 6, 7]) else {
      return (offset, size, count)
    }
    let large = try file.bytes(56, at: tail[record - 12..<record - 4].littleEndian)
    guard large.starts(with: [0x50, 0x4B, 6, 6]) else {
      throw DatasetError.badData(file.path, "is a damaged ZIP file: its ZIP64 record is missing")
    }
    return (large[48..<56].littleEndian, large[40..<48].littleEndian, large[32..<40].littleEndian)
  }

  /// The entry at `place` of the directory, and the next one's place; nil if it is damaged.
  private static func entry(_ directory: [UInt8], at place: Int) -> (Entry, next: Int)? {
    guard place <= directory.count - 46, directory[place...].starts(with: [0x50, 0x4B, 1, 2]) else {
      return nil
    }
    func number(_ offset: Int, _ count: Int) -> Int {
      directory[place + offset..<place + offset + count].littleEndian
    }
    let (nameEnd, extraSize) = (place + 46 + number(28, 2), number(30, 2))
    let next = nameEnd + extraSize + number(32, 2)
    guard next <= directory.count else { return nil }
    // Where a number is too large for its field, all of whose bits are then set, it is in an extra field, in this order.
    var large = extraField(1, directory[nameEnd..<nameEnd + extraSize])
    func orLarge(_ value: Int) -> Int {
      guard value == 0xFFFF_FFFF, large.count >= 8 else { return value }
      defer { large = large.dropFirst(8) }
      return large.prefix(8).littleEndian
    }
    let size = orLarge(number(24, 4))
    let packedSize = orLarge(number(20, 4))
    let headerOffset = orLarge(number(42, 4))
    guard size >= 0, packedSize >= 0, headerOffset >= 0 else { return nil }
    let entry = Entry(
      name: String(decoding: directory[place + 46..<nameEnd], as: UTF8.self), method: number(10, 2),
      isEncrypted: number(8, 2) & 1 != 0, checksum: UInt(number(16, 4)), packedSize: packedSize, size: size,
      headerOffset: headerOffset)
    return (entry, next)
  }

  private static func extraField(_ kind: Int, _ fields: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var rest = fields
    while rest.count >= 4 {
      let size = rest.dropFirst(2).prefix(2).littleEndian
      let content = rest.dropFirst(4).prefix(size)
      if rest.prefix(2).littleEndian == kind { return content }
      rest = rest.dropFirst(4 + size)
    }
    return []
  }
}

/// One file in a ZIP file. Memory stays flat. Whoever reads it from front to back is told if its checksum is not right.
private final class ZipMember: StoredBytes {
  let place: String
  let size: Int
  private let file: ReadableFile
  private let offset: Int
  private let packedSize: Int
  private let isDeflated: Bool
  private let checksum: UInt

  private var stream = z_stream()
  /// How much was unpacked, and how much of the packed bytes was taken for that.
  private var position = 0
  private var taken = 0
  private let input = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
  /// Of all bytes so far; nil when some were passed over.
  private var running: UInt? = 0

  init(_ entry: ZipArchive.Entry, place: String, file: ReadableFile, offset: Int) throws {
    self.place = place
    self.file = file
    self.offset = offset
    size = entry.size
    packedSize = entry.packedSize
    isDeflated = entry.method == 8
    checksum = entry.checksum
    // Negative: data without zlib's own header.
    let code = inflateInit2_(&stream, -MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard code == Z_OK else {
      throw DatasetError(kind: .inputOutput, path: place, problem: "no memory to unpack it")
    }
  }

  deinit {
    inflateEnd(&stream)
    input.deallocate()
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    if isDeflated {
      if offset < position { restart() }
      try withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 16) { scratch in
        while position < offset {
          try next(UnsafeMutableRawBufferPointer(rebasing: scratch[..<min(scratch.count, offset - position)]))
        }
      }
    } else if offset != position {
      position = offset
      running = offset == 0 ? 0 : nil
    }
    try next(buffer)
  }

  private func restart() {
    inflateReset(&stream)
    (position, taken, running) = (0, 0, 0)
    stream.avail_in = 0
  }

  /// Fills `buffer` with what comes next.
  private func next(_ buffer: UnsafeMutableRawBufferPointer) throws {
    if isDeflated { try inflate(into: buffer) } else { try file.read(into: buffer, at: offset + position) }
    position += buffer.count
    guard let sum = running else { return }
    running = crc32_z(sum, buffer.bindMemory(to: UInt8.self).baseAddress, buffer.count)
    guard position < size || running == checksum else {
      throw DatasetError.badData(place, "is damaged: its checksum is not that of its content")
    }
  }

  private func inflate(into buffer: UnsafeMutableRawBufferPointer) throws {
    var filled = 0
    while filled < buffer.count {
      if stream.avail_in == 0 {
        let piece = UnsafeMutableRawBufferPointer(rebasing: input[..<min(input.count, packedSize - taken)])
        try file.read(into: piece, at: offset + taken)
        taken += piece.count
        stream.next_in = input.bindMemory(to: UInt8.self).baseAddress
        stream.avail_in = UInt32(piece.count)
      }
      let room = min(buffer.count - filled, 1 << 30)
      stream.next_out = buffer.baseAddress?.advanced(by: filled).assumingMemoryBound(to: UInt8.self)
      stream.avail_out = UInt32(room)
      let hadInput = stream.avail_in > 0
      let code = CZlib.inflate(&stream, Z_NO_FLUSH)
      filled += room - Int(stream.avail_out)
      let isAtEnd = code == Z_STREAM_END && filled < buffer.count
      guard code == Z_OK || code == Z_STREAM_END, !isAtEnd, hadInput || stream.avail_out == 0 else {
        let why = stream.msg.map { " (\(String(cString: $0)))" } ?? ""
        throw DatasetError.badData(
          place,
          isAtEnd || !hadInput ? "holds less than the \(size) bytes that it is said to" : "is damaged\(why)")
      }
    }
  }
}
