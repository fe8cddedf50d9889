import Files

/// Collects tensors and writes them as one file in the safetensors format.
///
/// The file's bytes depend only on what was added, not on the order: metadata are sorted by key, and tensors by
/// decreasing element size, then by name, comparing UTF-8 bytes. There is no white space except for spaces after the
/// header that pad it to a multiple of eight bytes. Every tensor is therefore aligned to its element size.
public struct SafetensorsWriter: Sendable {
  private struct Tensor: Sendable {
    let name: String
    let shape: [Int]
    let elements: Elements
  }

  private enum Elements: Sendable {
    case floats([Float])
    case int64s([Int64])

    var type: ElementType {
      switch self {
      case .floats: .float32
      case .int64s: .int64
      }
    }

    var byteCount: Int { withBytes(\.count) }

    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
      switch self {
      case .floats(let elements): try elements.withUnsafeBytes(body)
      case .int64s(let elements): try elements.withUnsafeBytes(body)
      }
    }
  }

  private let metadata: [String: String]
  private var tensors: [String: Tensor] = [:]

  public init(metadata: [String: String] = [:]) { self.metadata = metadata }

  /// Adds an F32 tensor.
  ///
  /// - Parameters:
  ///   - name: unique, and not `__metadata__`.
  ///   - floats: the elements in row-major order of `shape`.
  public mutating func add(_ name: String, shape: [Int], floats: [Float]) {
    add(name, shape: shape, count: floats.count, .floats(floats))
  }

  /// Adds an I64 tensor; see `add(_:shape:floats:)`.
  public mutating func add(_ name: String, shape: [Int], int64s: [Int64]) {
    add(name, shape: shape, count: int64s.count, .int64s(int64s))
  }

  /// Writes the file atomically: once this returns, it has reached the disk; until then, even if the machine fails, an
  /// existing file at `path` remains in place.
  /// - Throws: `FileError`.
  public func write(to path: String) throws {
    let ordered = tensors.values.sorted {
      let (width0, width1) = ($0.elements.type.byteCount, $1.elements.type.byteCount)
      return width0 == width1 ? $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) : width0 > width1
    }
    let header = header(of: ordered)
    try WholeFile.write(to: path) { file in
      try withUnsafeBytes(of: UInt64(header.count)) { try file.write($0) }
      try header.withUnsafeBytes { try file.write($0) }
      for tensor in ordered {
        try tensor.elements.withBytes { try file.write($0) }
      }
    }
  }

  private mutating func add(_ name: String, shape: [Int], count: Int, _ elements: Elements) {
    precondition(shape.allSatisfy { $0 >= 0 }, "tensor \(name) has the shape \(shape)")
    precondition(shape.reduce(1, *) == count, "tensor \(name): \(count) elements for the shape \(shape)")
    precondition(name != Header.metadataKey, "\(name) is not a tensor's name")
    let former = tensors.updateValue(Tensor(name: name, shape: shape, elements: elements), forKey: name)
    precondition(former == nil, "two tensors \(name)")
  }

  private func header(of ordered: [Tensor]) -> [UInt8] {
    var members: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
      let text = pairs.map { "\($0.key.quotedAsJSON):\($0.value.quotedAsJSON)" }.joined(separator: ",")
      members.append("\(Header.metadataKey.quotedAsJSON):{\(text)}")
    }
    var begin = 0
    for tensor in ordered {
      let end = begin + tensor.elements.byteCount
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      members.append(
        "\(tensor.name.quotedAsJSON):{\"dtype\":\"\(tensor.elements.type.rawValue)\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(begin),\(end)]}")
      begin = end
    }
    var header = Array("{\(members.joined(separator: ","))}".utf8)
    header.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - header.count % 8) % 8))
    return header
  }
}

extension String {
  /// This text as a JSON string, with minimal escaping.
  fileprivate var quotedAsJSON: String {
    var text = "\""
    for scalar in unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\0"..<" ":
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text + "\""
  }
}
