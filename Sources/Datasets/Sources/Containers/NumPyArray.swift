import Foundation
import HDF5

/// An array in NumPy's format (numpy.org/neps/nep-0001-npy-format.html): magic bytes, a version, a header in Python
/// syntax, the elements.
final class NumPyArray {
  /// As shown by NumPy.
  let shape: [Int]
  /// Whether the first dimension varies fastest.
  let isFortranOrder: Bool
  /// In NumPy's notation: byte order, kind and size, such as `|u1` or `<i8`.
  let descriptor: String
  private let bytes: any StoredBytes
  private let elementsOffset: Int
  private let elementSize: Int

  var place: String { bytes.place }
  var count: Int { shape.reduce(1, *) }
  /// Whether the elements are in an archive, which has no efficient random access.
  var isInArchive: Bool { !(bytes is ReadableFile) }

  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  /// Headers of numeric arrays have about 128 bytes.
  private static let headerLimit = 1 << 16

  /// - Throws: `DatasetError` if the bytes are not an array of numbers or text, or their number does not match the
  ///   header.
  init(_ bytes: any StoredBytes) throws {
    self.bytes = bytes
    let place = bytes.place
    // Read sequentially, so that checksums can be verified.
    let start = try bytes.bytes(min(bytes.size, 8), at: 0)
    guard start.count == 8, start.starts(with: Self.magic) else {
      throw DatasetError.badData(place, "is no NumPy array: it does not start with \\x93NUMPY")
    }
    guard (1...3).contains(start[6]) else {
      throw DatasetError.badData(place, "has version \(start[6]) of NumPy's format, expected 1 to 3")
    }
    let lengthSize = start[6] == 1 ? 2 : 4
    let length = try bytes.bytes(lengthSize, at: 8).littleEndian
    elementsOffset = 8 + lengthSize + length
    guard length <= Self.headerLimit, elementsOffset <= bytes.size else {
      throw DatasetError.badData(place, "is damaged: its header is said to have \(length) bytes")
    }
    let header = String(decoding: try bytes.bytes(length, at: 8 + lengthSize), as: UTF8.self)
    guard let type = header.firstMatch(of: /'descr':\s*'([^']*)'/),
      let order = header.firstMatch(of: /'fortran_order':\s*(True|False)/),
      let extents = header.firstMatch(of: /'shape':\s*\(([0-9, ]*)\)/)
    else {
      throw DatasetError.badData(
        place, "holds no plain array of numbers: \(header.prefix(200).trimmingCharacters(in: .whitespaces))")
    }
    descriptor = String(type.1)
    elementSize = try Self.elementSize(descriptor, place)
    isFortranOrder = order.1 == "True"
    let numbers = extents.1.split(separator: ",").map { Int($0.trimmingCharacters(in: .whitespaces)) }
    shape = numbers.compactMap { $0 }
    let size = (shape + [elementSize]).checkedProduct()
    let found = bytes.size - elementsOffset
    guard shape.count == numbers.count, let size, size == found else {
      throw DatasetError.badData(
        place,
        "its header promises \(descriptor) (\(extents.1)), \(size.map { "\($0)" } ?? "too many") bytes, but "
          + "\(found) follow")
    }
  }

  /// The size of an element of this type in bytes.
  ///
  /// - Throws: `DatasetError` for elements that are neither numbers nor text.
  private static func elementSize(_ descriptor: String, _ place: String) throws -> Int {
    let (kind, size) = (descriptor.dropFirst().first, Int(descriptor.dropFirst(2)))
    switch kind {
    case "O":
      throw DatasetError.badData(
        place,
        "holds Python objects (a pickled array), which are not read; save an array of numbers, such as "
          + "numpy.stack(list), or of text, numpy.array(list, dtype=str)")
    case "U":
      // 4-byte characters.
      if let bytes = size?.multipliedReportingOverflow(by: 4), !bytes.overflow { return bytes.partialValue }
    case "i", "u", "f", "b", "S":
      if let size { return size }
    default: break
    }
    throw DatasetError.badData(place, "holds elements of type \(descriptor), expected numbers")
  }

  /// The type of its numbers, regardless of byte order.
  ///
  /// - Throws: `DatasetError` if it holds text, or numbers of an unsupported size.
  func numberType() throws -> ElementType {
    switch descriptor.dropFirst() {
    case "u1", "b1": return .uint8
    case "u2": return .uint16
    case "u4": return .uint32
    case "u8": return .uint64
    case "i1": return .int8
    case "i2": return .int16
    case "i4": return .int32
    case "i8": return .int64
    case "f2": return .float16
    case "f4": return .float32
    case "f8": return .float64
    default:
      let isText = descriptor.dropFirst().first == "U" || descriptor.dropFirst().first == "S"
      throw DatasetError.badData(
        place,
        isText
          ? "holds text (\(descriptor)), expected numbers; of labels, numpy.unique(labels, return_inverse=True) "
            + "gives the names, for --classes, and the numbers"
          : "holds elements of type \(descriptor), expected integers or floating-point numbers of 1 to 8 bytes"
      )
    }
  }

  /// Fills `buffer` with elements starting at `start`, in file order and native byte order.
  func read(into buffer: UnsafeMutableRawBufferPointer, from start: Int) throws {
    try bytes.read(into: buffer, at: elementsOffset + start * elementSize)
    guard descriptor.first == ">", elementSize > 1 else { return }
    for element in stride(from: 0, to: buffer.count, by: elementSize) {
      for place in 0..<elementSize / 2 { buffer.swapAt(element + place, element + elementSize - 1 - place) }
    }
  }

  /// The strings of a one-dimensional text array.
  func texts() throws -> [String] {
    let kind = descriptor.dropFirst().first
    guard kind == "U" || kind == "S", shape.count == 1 else {
      throw DatasetError.badData(
        place, "holds elements of type \(descriptor) and the shape \(shape), expected text [N]")
    }
    let raw = try bytes.bytes(count * elementSize, at: elementsOffset)
    return try (0..<count).map { index in
      let own = raw[index * elementSize..<(index + 1) * elementSize]
      guard kind == "U" else {
        guard let text = String(validating: own.prefix { $0 != 0 }, as: UTF8.self) else {
          throw DatasetError.badData(place, "text \(index) is not UTF-8")
        }
        return text
      }
      var text = String.UnicodeScalarView()
      for place in stride(from: own.startIndex, to: own.endIndex, by: 4) {
        let four = own[place..<place + 4]
        let code = UInt32(
          truncatingIfNeeded: (descriptor.first == ">" ? Array(four.reversed()) : Array(four)).littleEndian)
        if code == 0 { break }
        guard let scalar = Unicode.Scalar(code) else {
          throw DatasetError.badData(self.place, "text \(index) holds \(code), which is no character")
        }
        text.append(scalar)
      }
      return String(text)
    }
  }
}

/// A NumPy array of numbers, for a dataset.
final class NumPyNumbers: NumberArray {
  let name: String
  let type: ElementType
  let shape: [Int]
  let isReversed: Bool
  let attributes: [String: FieldAttribute] = [:]
  let missingValues: [Double] = []

  var place: String { array.place }

  private let array: NumPyArray

  init(_ array: NumPyArray, name: String) throws {
    self.array = array
    self.name = name
    type = try array.numberType()
    // With one dimension, both orders are the same.
    isReversed = array.isFortranOrder && array.shape.count > 1
    if isReversed && array.isInArchive {
      throw DatasetError.badData(
        array.place,
        "is in Fortran's order, and in an archive, where it could only be read in its own; save "
          + "numpy.ascontiguousarray(array)")
    }
    shape = isReversed ? array.shape.reversed() : array.shape
  }

  func read(into bytes: UnsafeMutableRawBufferPointer, offset: [Int], count: [Int]) throws {
    let size = type.byteCount ?? 0
    // Dimensions from `whole` on are read completely, so runs of elements are contiguous across them.
    var whole = shape.count
    while whole > 0, count[whole - 1] == shape[whole - 1] { whole -= 1 }
    let runAxis = max(0, whole - 1)
    let inner = shape.dropFirst(runAxis + 1).reduce(1, *)
    let run = (shape.isEmpty ? 1 : count[runAxis]) * inner
    let outer = count.prefix(runAxis)
    var index = [Int](repeating: 0, count: outer.count)
    for place in 0..<outer.reduce(1, *) {
      var start = 0
      for axis in outer.indices { start = start * shape[axis] + offset[axis] + index[axis] }
      start = (start * (shape.isEmpty ? 1 : shape[runAxis]) + (shape.isEmpty ? 0 : offset[runAxis])) * inner
      try array.read(
        into: UnsafeMutableRawBufferPointer(rebasing: bytes[place * run * size..<(place + 1) * run * size]),
        from: start)
      for axis in outer.indices.reversed() {
        index[axis] += 1
        if index[axis] < count[axis] { break }
        index[axis] = 0
      }
    }
  }

  func coordinates(axis: Int) throws -> (
    name: String, values: [Double], attributes: [String: FieldAttribute]
  )? {
    nil
  }
}
