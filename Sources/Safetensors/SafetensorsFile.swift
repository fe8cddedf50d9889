import Files
import Foundation

/// A file of named tensors in the safetensors format, open for reading.
///
/// Opening parses and checks the header: every tensor lies within the file, none overlaps another, and every byte
/// belongs to a tensor. Data are read on demand. An open file keeps its contents when another file replaces it. Names
/// that are canonically equivalent in Unicode are considered equal.
///
/// All functions throw `SafetensorsError` for invalid contents, and `FileError` for failed system calls.
public final class SafetensorsFile: Sendable {
  public let path: String
  /// The header's `__metadata__`.
  public let metadata: [String: String]
  /// The tensors' names, in the order of their data.
  public let names: [String]

  private let entries: [String: Header.Entry]
  private let file: FileDescriptor
  private let dataStart: UInt64

  /// Opens the file at `path`.
  public init(path: String) throws {
    // Opening a pipe would otherwise block until it has a writer.
    let file = try FileDescriptor(path, O_RDONLY | O_NONBLOCK)
    let status = try file.status()
    guard status.st_mode & S_IFMT == S_IFREG else { throw SafetensorsError(path, .notARegularFile) }
    let size = UInt64(status.st_size)
    let lengthSize = UInt64(MemoryLayout<UInt64>.size)
    guard size >= lengthSize else {
      throw SafetensorsError(path, .truncated(needed: lengthSize, found: size))
    }
    var length: UInt64 = 0
    try withUnsafeMutableBytes(of: &length) { try Self.fill($0, from: file, at: 0) }
    let limit = min(size - lengthSize, Header.lengthLimit)
    guard length <= limit else { throw SafetensorsError(path, .headerLength(length, limit: limit)) }

    var text = [UInt8](repeating: 0, count: Int(length))
    try text.withUnsafeMutableBytes { try Self.fill($0, from: file, at: lengthSize) }
    let header = try Header(text, dataSize: Int(size - lengthSize - length), file: path)

    self.path = path
    self.file = file
    metadata = header.metadata
    names = header.entries.map(\.name)
    entries = Dictionary(uniqueKeysWithValues: header.entries.map { ($0.name, $0) })
    dataStart = lengthSize + length
  }

  public func contains(_ name: String) -> Bool { entries[name] != nil }

  public func shape(of name: String) throws -> [Int] { try entry(name).shape }

  public func elementType(of name: String) throws -> ElementType { try entry(name).type }

  /// The elements of an F32, F16, BF16 or F64 tensor in row-major order.
  ///
  /// F64 values are rounded to the nearest float; those out of range become infinite.
  public func floats(_ name: String) throws -> [Float] {
    let entry = try entry(name)
    switch entry.type {
    case .float32: return try read(entry) { (stored: Float) in stored }
    case .float64: return try read(entry) { (stored: Double) in Float(stored) }
    case .float16: return try read(entry) { (stored: Float16) in Float(stored) }
    case .bfloat16: return try read(entry) { (stored: UInt16) in Self.float(bfloat16: stored) }
    default: throw wrongType(entry, .float32, .float16, .bfloat16, .float64)
    }
  }

  /// The elements of an F64, F32, F16 or BF16 tensor, converted without loss.
  public func doubles(_ name: String) throws -> [Double] {
    let entry = try entry(name)
    switch entry.type {
    case .float64: return try read(entry) { (stored: Double) in stored }
    case .float32: return try read(entry) { (stored: Float) in Double(stored) }
    case .float16: return try read(entry) { (stored: Float16) in Double(stored) }
    case .bfloat16: return try read(entry) { (stored: UInt16) in Double(Self.float(bfloat16: stored)) }
    default: throw wrongType(entry, .float64, .float32, .float16, .bfloat16)
    }
  }

  /// The elements of an I64 or I32 tensor.
  public func int64s(_ name: String) throws -> [Int64] {
    let entry = try entry(name)
    switch entry.type {
    case .int64: return try read(entry) { (stored: Int64) in stored }
    case .int32: return try read(entry) { (stored: Int32) in Int64(stored) }
    default: throw wrongType(entry, .int64, .int32)
    }
  }

  private func entry(_ name: String) throws -> Header.Entry {
    guard let entry = entries[name] else {
      throw SafetensorsError(path, tensor: name, .missing(present: names))
    }
    return entry
  }

  private func wrongType(_ entry: Header.Entry, _ expected: ElementType...) -> SafetensorsError {
    SafetensorsError(path, tensor: entry.name, .wrongType(found: entry.type, expected: expected))
  }

  /// bfloat16 is the upper half of a float.
  private static func float(bfloat16 bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

  /// Fills `bytes` from `offset`. The file's length was checked on opening, so if it is too short, it has been
  /// truncated since.
  private static func fill(
    _ bytes: UnsafeMutableRawBufferPointer, from file: borrowing FileDescriptor, at offset: UInt64
  ) throws {
    let count = try file.read(into: bytes, at: Int(offset))
    guard count == bytes.count else {
      throw SafetensorsError(
        file.path, .truncated(needed: offset + UInt64(bytes.count), found: offset + UInt64(count)))
    }
  }

  /// Reads a tensor in pieces, so that only one piece is held in addition to the result.
  private func read<Stored: BitwiseCopyable, Value>(
    _ entry: Header.Entry, _ value: (Stored) -> Value
  ) throws -> [Value] {
    precondition(MemoryLayout<Stored>.stride == entry.type.byteCount, "\(Stored.self) for \(entry.type)")
    let count = entry.elementCount
    guard count > 0 else { return [] }
    let piece = UnsafeMutableBufferPointer<Stored>.allocate(capacity: min(count, 1 << 16))
    defer { piece.deallocate() }
    return try [Value](unsafeUninitializedCapacity: count) { values, initializedCount in
      while initializedCount < count {
        let stored = UnsafeMutableBufferPointer(rebasing: piece.prefix(count - initializedCount))
        let offset =
          dataStart + UInt64(entry.range.lowerBound + initializedCount * MemoryLayout<Stored>.stride)
        try Self.fill(UnsafeMutableRawBufferPointer(stored), from: file, at: offset)
        for element in stored {
          values.initializeElement(at: initializedCount, to: value(element))
          initializedCount += 1
        }
      }
    }
  }
}
