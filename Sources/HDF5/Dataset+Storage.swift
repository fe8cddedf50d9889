import CHDF5
import Foundation

extension Dataset {
  /// Throws unless every element is stored in the file. The library silently makes up missing ones: it returns the fill
  /// value for what was never written, and zeros for what lies beyond the end of a file.
  ///
  /// The sizes in the header are also compared with what the file holds, so that the caller may allocate memory for
  /// them.
  ///
  /// - Throws: `HDF5Error`: `unstored`.
  public func requireStored() throws {
    guard count > 0 else { return }
    let (layout, creation) = try layout()
    let size = try elementSize()
    guard let bytes = multiplied(count, size) else { throw unstored("has more than 2^63 bytes by its shape") }
    switch layout {
    case H5D_VIRTUAL:
      throw unstored(
        "is spread over other files (virtual), of which what is missing reads as a fill value; copy it into one file"
      )
    case H5D_CONTIGUOUS: try requireContiguous(bytes, creation)
    case H5D_CHUNKED: try requireChunks(bytes, size, creation)
    default:
      let stored = try storedBytes()
      guard stored >= bytes else {
        throw unstored("holds \(stored) of the \(bytes) bytes of its shape \(shape)")
      }
    }
  }

  /// The value that stands for elements never written, as a number; nil if the file does not define one.
  public func fillValue() throws -> Double? {
    guard elementType.byteCount != nil else { return nil }
    let (_, creation) = try layout()
    var state = H5D_FILL_VALUE_UNDEFINED
    try Library.call("H5Pfill_value_defined", handle.place, using: [creation]) {
      H5Pfill_value_defined(creation.id, &state)
    }
    guard state == H5D_FILL_VALUE_USER_DEFINED else { return nil }
    var value = 0.0
    try Library.call("H5Pget_fill_value", handle.place, using: [creation]) {
      H5Pget_fill_value(creation.id, ElementType.float64.memoryType, &value)
    }
    return value
  }

  private func requireContiguous(_ bytes: Int, _ creation: Handle) throws {
    let externalFiles = try Library.call("H5Pget_external_count", handle.place, using: [creation]) {
      H5Pget_external_count(creation.id)
    }
    guard externalFiles == 0 else {
      throw unstored(
        "lies in \(externalFiles) other \(externalFiles == 1 ? "file" : "files") (external storage), of which what is "
          + "missing reads as zeros; copy it into one file")
    }
    let (offset, none) = try Library.call(
      "H5Dget_offset", handle.place, using: [handle], failsIf: { _ in false }
    ) {
      (H5Dget_offset(handle.id), get_HADDR_UNDEF())
    }
    guard offset != none else {
      throw unstored("was never written: the file has no place for its \(bytes) bytes")
    }
    let stored = try storedBytes()
    guard stored >= bytes else {
      throw unstored("holds \(stored) of the \(bytes) bytes of its shape \(shape)")
    }
    let fileSize = try fileSize()
    guard let offset = Int(exactly: offset), offset <= fileSize, bytes <= fileSize - offset else {
      throw unstored("lies at byte \(offset) and has \(bytes) bytes, but the file ends after \(fileSize)")
    }
  }

  private func requireChunks(_ bytes: Int, _ size: Int, _ creation: Handle) throws {
    var extents = [hsize_t](repeating: 0, count: shape.count)
    try Library.call("H5Pget_chunk", handle.place, using: [creation]) {
      H5Pget_chunk(creation.id, Int32(extents.count), &extents)
    }
    guard extents.allSatisfy({ $0 > 0 && $0 <= UInt32.max }) else {
      throw unstored("has chunks of the shape \(extents)")
    }
    var expected = 1
    for (extent, chunk) in zip(shape, extents.map({ Int($0) })) {
      // Rounded up without overflow.
      guard let next = multiplied(expected, extent / chunk + (extent % chunk == 0 ? 0 : 1)) else {
        throw unstored("has more than 2^63 chunks by its shape")
      }
      expected = next
    }
    let space = try Handle("H5Dget_space", handle.place, parent: handle) { H5Dget_space(handle.id) }
    var found: hsize_t = 0
    try Library.call("H5Dget_num_chunks", handle.place, using: [handle, space]) {
      H5Dget_num_chunks(handle.id, space.id, &found)
    }
    guard found >= UInt64(expected) else {
      throw unstored(
        "\(expected - Int(found)) of its \(expected) chunks were never written, and would read as a fill value"
      )
    }
    // The upper limit of what a file of this size can hold after decompression.
    let stored = try storedBytes()
    let ratio = try greatestCompression(creation)
    guard bytes / ratio <= stored else {
      throw unstored("has \(bytes) bytes by its shape \(shape), but its chunks only \(stored)")
    }
  }

  /// The maximum expansion factor of the filters.
  private func greatestCompression(_ creation: Handle) throws -> Int {
    let count = try Library.call("H5Pget_nfilters", handle.place, using: [creation]) {
      H5Pget_nfilters(creation.id)
    }
    var ratio = 1
    for index in 0..<UInt32(max(0, count)) {
      var (flags, valueCount, configuration) = (UInt32(0), 0, UInt32(0))
      let filter = try Library.call("H5Pget_filter2", handle.place, using: [creation]) {
        H5Pget_filter2(creation.id, index, &flags, &valueCount, nil, 0, nil, &configuration)
      }
      switch filter {
      case H5Z_FILTER_SHUFFLE, H5Z_FILTER_FLETCHER32: break
      // At most 1032: a pair of 2 bits encodes 258 bytes (RFC 1951, 3.2.5).
      case H5Z_FILTER_DEFLATE: ratio *= 1032
      // Other filters may expand uniform data further.
      default: ratio *= 1 << 16
      }
      if ratio > 1 << 32 { return 1 << 32 }
    }
    return ratio
  }

  private func storedBytes() throws -> Int {
    // Zero means either that nothing is stored or that the call failed.
    let bytes = try Library.call(
      "H5Dget_storage_size", handle.place, using: [handle], failsIf: { _ in false }
    ) { H5Dget_storage_size(handle.id) }
    return Int(clamping: bytes)
  }

  /// The size of one element in the file in bytes; a lower bound for elements of variable length.
  private func elementSize() throws -> Int {
    let type = try Handle("H5Dget_type", handle.place, parent: handle) { H5Dget_type(handle.id) }
    return try Library.call("H5Tget_size", handle.place, using: [type], failsIf: { $0 == 0 }) {
      H5Tget_size(type.id)
    }
  }

  private func fileSize() throws -> Int {
    var status = stat()
    guard stat(handle.place.file, &status) == 0 else {
      throw unstored("its file cannot be looked at: \(String(cString: strerror(errno)))")
    }
    return Int(status.st_size)
  }

  private func unstored(_ what: String) -> HDF5Error { HDF5Error(handle.place, .unstored(what)) }
}

/// The product, or nil on overflow.
private func multiplied(_ a: Int, _ b: Int) -> Int? {
  let (product, overflow) = a.multipliedReportingOverflow(by: b)
  return overflow ? nil : product
}
