import CHDF5
import Foundation

extension Dataset {
  /// Reads all strings of a text dataset, in order.
  ///
  /// - Throws: `HDF5Error`: `mismatch` if the dataset holds another type or is not valid UTF-8, `unstored` if not all
  ///   elements are in the file.
  public func readStrings() throws -> [String] {
    try requireType(.string)
    try requireStored()
    let type = try Handle("H5Dget_type", handle.place, parent: handle) { H5Dget_type(handle.id) }
    let space = try Handle("H5Dget_space", handle.place, parent: handle) { H5Dget_space(handle.id) }
    return try readText("H5Dread", handle.place, count: count, type: type, space: space, using: [handle]) {
      memoryType, buffer in
      H5Dread(handle.id, memoryType, hid_t(H5S_ALL), hid_t(H5S_ALL), hid_t(H5P_DEFAULT), buffer)
    }
  }
}

extension Dataset {
  /// The size in bytes of each string of a text dataset if all have the same length and are padded with NULs; otherwise
  /// nil.
  public func fixedTextLength() throws -> Int? {
    try requireType(.string)
    let type = try Handle("H5Dget_type", handle.place, parent: handle) { H5Dget_type(handle.id) }
    let isVariable =
      try Library.call("H5Tis_variable_str", handle.place, using: [type]) { H5Tis_variable_str(type.id) } > 0
    let padding = try Library.call(
      "H5Tget_strpad", handle.place, using: [type], failsIf: { $0 == H5T_STR_ERROR }
    ) { H5Tget_strpad(type.id) }
    guard !isVariable, padding == H5T_STR_NULLPAD || padding == H5T_STR_NULLTERM else { return nil }
    return try Library.call("H5Tget_size", handle.place, using: [type], failsIf: { $0 == 0 }) {
      H5Tget_size(type.id)
    }
  }
}

extension Group {
  /// Creates a dataset of UTF-8 `strings`, all padded with NULs to the length of the longest.
  ///
  /// - Parameter shape: nil for one dimension.
  /// - Throws: `HDF5Error` if something of that name exists, or if a string contains a NUL, which readers take for its
  ///   end.
  @discardableResult
  public func createDataset(_ name: String, strings: [String], shape: [Int]? = nil) throws -> Dataset {
    let shape = shape ?? [strings.count]
    precondition(shape.reduce(1, *) == strings.count, "\(strings.count) strings for the shape \(shape)")
    let text = try FixedText(strings, handle.place.appending(name))
    let dataset = try createDataset(name, shape: shape, layout: .contiguous, using: [text.type]) {
      text.type.id
    }
    try Library.call("H5Dwrite", dataset.handle.place, using: [dataset.handle, text.type]) {
      H5Dwrite(
        dataset.handle.id, text.type.id, hid_t(H5S_ALL), hid_t(H5S_ALL), hid_t(H5P_DEFAULT), text.bytes)
    }
    return dataset
  }
}

/// Strings in the representation of files that we write: UTF-8, padded with NULs to the length of the longest.
struct FixedText {
  let type: Handle
  let bytes: [UInt8]

  init(_ strings: [String], _ place: Place) throws {
    let length = max(1, strings.map(\.utf8.count).max() ?? 1)
    for string in strings where string.utf8.contains(0) {
      throw HDF5Error(
        place, .mismatch(what: "text", expected: "no NUL", found: String(reflecting: string)))
    }
    bytes = strings.flatMap { Array($0.utf8) + [UInt8](repeating: 0, count: length - $0.utf8.count) }
    let type = try Handle("H5Tcopy", place) { H5Tcopy(get_H5T_C_S1()) }
    try Library.call("H5Tset_size", place, using: [type]) { H5Tset_size(type.id, length) }
    try Library.call("H5Tset_cset", place, using: [type]) { H5Tset_cset(type.id, H5T_CSET_UTF8) }
    try Library.call("H5Tset_strpad", place, using: [type]) { H5Tset_strpad(type.id, H5T_STR_NULLPAD) }
    self.type = type
  }
}

/// Reads `count` strings of fixed or variable length with `read`, which calls the libhdf5 function `function`.
func readText(
  _ function: String, _ place: Place, count: Int, type: Handle, space: Handle, using handles: [Handle],
  _ read: (hid_t, UnsafeMutableRawPointer) -> herr_t
) throws -> [String] {
  let isVariable =
    try Library.call("H5Tis_variable_str", place, using: [type]) { H5Tis_variable_str(type.id) } > 0
  let texts =
    isVariable
    ? try readVariableText(function, place, count: count, type: type, space: space, using: handles, read)
    : try readFixedText(function, place, count: count, type: type, using: handles, read)
  return try texts.map { bytes in
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw HDF5Error(
        place, .mismatch(what: "text", expected: "UTF-8", found: "the bytes \(bytes.prefix(32))"))
    }
    return text
  }
}

private func readFixedText(
  _ function: String, _ place: Place, count: Int, type: Handle, using handles: [Handle],
  _ read: (hid_t, UnsafeMutableRawPointer) -> herr_t
) throws -> [[UInt8]] {
  let length = try Library.call("H5Tget_size", place, using: [type], failsIf: { $0 == 0 }) {
    H5Tget_size(type.id)
  }
  let padding = try Library.call("H5Tget_strpad", place, using: [type], failsIf: { $0 == H5T_STR_ERROR }) {
    H5Tget_strpad(type.id)
  }
  let (total, overflow) = count.multipliedReportingOverflow(by: length)
  guard !overflow else {
    throw HDF5Error(
      place,
      .mismatch(what: "size", expected: "fewer than 2^63 bytes", found: "\(count) strings of \(length) bytes")
    )
  }
  var bytes = [UInt8](repeating: 0, count: total)
  try bytes.withUnsafeMutableBytes { buffer in
    guard let address = buffer.baseAddress, count > 0 else { return }
    try Library.call(function, place, using: handles + [type]) { read(type.id, address) }
  }
  return (0..<count).map { index in
    let text = bytes[index * length..<(index + 1) * length]
    guard padding == H5T_STR_SPACEPAD else { return Array(text.prefix { $0 != 0 }) }
    return Array(text[..<(text.lastIndex { $0 != UInt8(ascii: " ") }.map { $0 + 1 } ?? text.startIndex)])
  }
}

private func readVariableText(
  _ function: String, _ place: Place, count: Int, type: Handle, space: Handle, using handles: [Handle],
  _ read: (hid_t, UnsafeMutableRawPointer) -> herr_t
) throws -> [[UInt8]] {
  var pointers = [UnsafeMutablePointer<CChar>?](repeating: nil, count: count)
  return try pointers.withUnsafeMutableBytes { buffer in
    guard let address = buffer.baseAddress, count > 0 else { return [] }
    try Library.call(function, place, using: handles + [type]) { read(type.id, address) }
    let texts = buffer.bindMemory(to: UnsafeMutablePointer<CChar>?.self).map { pointer in
      pointer.map { Array(UnsafeBufferPointer(start: $0, count: strlen($0))).map { UInt8(bitPattern: $0) } }
        ?? []
    }
    // The strings were allocated by the library, which must free them.
    try Library.call("H5Dvlen_reclaim", place, using: [type, space]) {
      H5Dvlen_reclaim(type.id, space.id, hid_t(H5P_DEFAULT), address)
    }
    return texts
  }
}
