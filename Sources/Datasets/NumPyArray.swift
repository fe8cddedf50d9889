import Foundation

/// An array in NumPy's format (numpy.org/neps/nep-0001-npy-format.html): magic bytes, a version, a header in Python's
/// words, the elements.
final class NumPyArray {
  let shape: [Int]
  /// As NumPy writes it: byte order, kind and bytes, such as `|u1` or `<i8`.
  let elementType: String
  private let bytes: any StoredBytes
  private let elementsOffset: Int

  var place: String { bytes.place }
  private var elementSize: Int { Int(elementType.dropFirst(2)) ?? 1 }
  var count: Int { shape.reduce(1, *) }

  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  /// Headers of arrays of numbers have some 128 bytes.
  private static let headerLimit = 1 << 16

  /// - Throws: `DatasetError` if the bytes are no array of numbers in C's order, or not as many as the header promises.
  init(_ bytes: any StoredBytes) throws {
    self.bytes = bytes
    let place = bytes.place
    // Read from front to back, which checksums ask for.
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
      throw DatasetError.badData(place, "holds no plain array of numbers: \(header.prefix(200))")
    }
    guard order.1 == "False" else {
      throw DatasetError.badData(place, "is in Fortran's order; save numpy.ascontiguousarray(array)")
    }
    elementType = String(type.1)
    let numbers = extents.1.split(separator: ",").map { Int($0.trimmingCharacters(in: .whitespaces)) }
    shape = numbers.compactMap { $0 }
    let size = (shape + [Int(elementType.dropFirst(2)) ?? 1]).checkedProduct()
    let found = bytes.size - elementsOffset
    guard shape.count == numbers.count, let size, size == found else {
      throw DatasetError.badData(
        place,
        "its header promises \(elementType) (\(extents.1)), \(size.map { "\($0)" } ?? "too many") bytes, but "
          + "\(found) follow")
    }
  }

  /// Fills `elements` from element `start`; for arrays of bytes.
  func read(into elements: UnsafeMutableBufferPointer<UInt8>, from start: Int) throws {
    try bytes.read(into: UnsafeMutableRawBufferPointer(elements), at: elementsOffset + start)
  }

  /// Fills `elements` from element `start`; for arrays of floating-point numbers of 16, 32 or 64 bits.
  func read(into elements: UnsafeMutableBufferPointer<Double>, from start: Int) throws {
    let size = elementSize
    guard let order = elementType.first, elementType.dropFirst().first == "f", [2, 4, 8].contains(size) else {
      throw DatasetError.badData(
        place, "holds elements of type \(elementType), expected floating-point numbers, such as <f4 (float32)"
      )
    }
    let raw = try bytes.bytes(elements.count * size, at: elementsOffset + start * size)
    let isSwapped = order == ">"
    raw.withUnsafeBytes { raw in
      func bits<Bits: FixedWidthInteger>(_ index: Int, as: Bits.Type) -> Bits {
        let stored = raw.loadUnaligned(fromByteOffset: index * size, as: Bits.self)
        return isSwapped ? Bits(bigEndian: stored) : Bits(littleEndian: stored)
      }
      for index in elements.indices {
        switch size {
        case 2: elements[index] = Double(Float16(bitPattern: bits(index, as: UInt16.self)))
        case 4: elements[index] = Double(Float(bitPattern: bits(index, as: UInt32.self)))
        default: elements[index] = Double(bitPattern: bits(index, as: UInt64.self))
        }
      }
    }
  }

  /// All elements, which must be whole numbers.
  func integers() throws -> [Int64] {
    let size = elementSize
    guard let order = elementType.first, let kind = elementType.dropFirst().first, "iu".contains(kind),
      [1, 2, 4, 8].contains(size)
    else {
      throw DatasetError.badData(place, "holds elements of type \(elementType), expected whole numbers")
    }
    let raw = try bytes.bytes(count * size, at: elementsOffset)
    return (0..<count).map { element in
      let own = raw[element * size..<(element + 1) * size]
      let bits = (order == ">" ? Array(own.reversed()) : Array(own)).reversed().reduce(UInt64(0)) {
        $0 << 8 | UInt64($1)
      }
      let shift = UInt64(64 - 8 * size)
      // Above 2^63, which no label is, unsigned numbers become negative ones, which none is either.
      return kind == "i" ? Int64(bitPattern: bits << shift) >> Int64(shift) : Int64(bitPattern: bits)
    }
  }
}
