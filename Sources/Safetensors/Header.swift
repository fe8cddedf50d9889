/// The contents of a header: the location of each tensor, and the metadata.
struct Header {
  /// The location of a tensor in the data.
  struct Entry {
    let name: String
    let type: ElementType
    let shape: [Int]
    /// In bytes, relative to the start of the data.
    let range: Range<Int>
    let elementCount: Int
  }

  static let metadataKey = "__metadata__"
  /// The maximum length of a header, which is also that of the format's reference library.
  static let lengthLimit: UInt64 = 100_000_000

  private(set) var metadata: [String: String] = [:]
  /// In the order of their data.
  private(set) var entries: [Entry] = []

  /// - Parameter dataSize: the number of bytes after the header, which the tensors must cover exactly.
  init(_ bytes: [UInt8], dataSize: Int, file: String) throws {
    do {
      try parse(bytes, dataSize: dataSize, file: file)
    } catch let fault as HeaderScanner.Fault {
      throw SafetensorsError(file, .header(byte: fault.byte, fault.what))
    }
    entries.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
    try checkCover(dataSize: dataSize, file: file)
  }

  private mutating func parse(_ bytes: [UInt8], dataSize: Int, file: String) throws {
    var scanner = HeaderScanner(bytes)
    guard bytes.first == UInt8(ascii: "{") else { throw scanner.fault("expected '{'") }
    var names: Set<String> = []
    try scanner.object { scanner, name in
      guard names.insert(name).inserted else { throw SafetensorsError(file, tensor: name, .duplicateName) }
      if name == Self.metadataKey {
        metadata = try Self.readMetadata(&scanner)
      } else {
        entries.append(try Self.readEntry(&scanner, name: name, dataSize: dataSize, file: file))
      }
    }
    try scanner.end()
  }

  private static func readMetadata(_ scanner: inout HeaderScanner) throws -> [String: String] {
    var metadata: [String: String] = [:]
    try scanner.object { scanner, key in
      guard metadata.updateValue(try scanner.string(), forKey: key) == nil else {
        throw scanner.fault("the metadata name \"\(key)\" twice")
      }
    }
    return metadata
  }

  private static func readEntry(
    _ scanner: inout HeaderScanner, name: String, dataSize: Int, file: String
  ) throws -> Entry {
    var typeName: String?
    var givenShape: [Int]?
    var givenOffsets: [Int]?
    do {
      try scanner.object { scanner, key in
        switch key {
        case "dtype" where typeName == nil: typeName = try scanner.string()
        case "shape" where givenShape == nil: givenShape = try scanner.numbers()
        case "data_offsets" where givenOffsets == nil: givenOffsets = try scanner.numbers()
        case "dtype", "shape", "data_offsets": throw scanner.fault("\"\(key)\" twice")
        default: throw scanner.fault("unknown key \"\(key)\"; expected dtype, shape and data_offsets")
        }
      }
      guard let typeName, let shape = givenShape, let offsets = givenOffsets, offsets.count == 2 else {
        throw scanner.fault("expected a dtype, a shape and two data_offsets")
      }
      return try makeEntry(
        name: name, typeName: typeName, shape: shape, begin: offsets[0], end: offsets[1], dataSize: dataSize,
        file: file)
    } catch let fault as HeaderScanner.Fault {
      throw SafetensorsError(file, tensor: name, .header(byte: fault.byte, fault.what))
    }
  }

  private static func makeEntry(
    name: String, typeName: String, shape: [Int], begin: Int, end: Int, dataSize: Int, file: String
  ) throws -> Entry {
    func error(_ problem: SafetensorsError.Problem) -> SafetensorsError {
      SafetensorsError(file, tensor: name, problem)
    }
    guard let type = ElementType(rawValue: typeName) else { throw error(.unknownType(typeName)) }
    guard begin <= end, end <= dataSize else {
      throw error(.offsetsOutOfRange(begin: begin, end: end, dataSize: dataSize))
    }
    var byteCount = type.byteCount
    for size in shape {
      let (product, overflow) = byteCount.multipliedReportingOverflow(by: size)
      guard !overflow else { throw error(.shapeOverflow(shape)) }
      byteCount = product
    }
    guard byteCount == end - begin else {
      throw error(.sizeMismatch(shape: shape, type: type, bytes: end - begin))
    }
    return Entry(
      name: name, type: type, shape: shape, range: begin..<end, elementCount: byteCount / type.byteCount)
  }

  /// Checks that the tensors follow one another without gaps, from the first byte of the data to the last.
  private func checkCover(dataSize: Int, file: String) throws {
    var end = 0
    var last = ""
    for entry in entries {
      guard entry.range.lowerBound >= end else {
        throw SafetensorsError(file, tensor: entry.name, .overlap(with: last))
      }
      guard entry.range.lowerBound == end else {
        throw SafetensorsError(file, .hole(begin: end, end: entry.range.lowerBound))
      }
      (end, last) = (entry.range.upperBound, entry.name)
    }
    guard end == dataSize else { throw SafetensorsError(file, .hole(begin: end, end: dataSize)) }
  }
}
