import Foundation

/// Writes arrays in NumPy's format (numpy.org/neps/nep-0001-npy-format.html), version 1.
public enum NumPyFile {
  /// Writes float32 elements in row-major order.
  ///
  /// - Throws: ``FileError``.
  public static func write(_ values: [Float], shape: [Int], to path: String) throws {
    precondition(shape.reduce(1, *) == values.count, "\(values.count) values for \(shape)")
    let sizes = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(sizes)), }"
    // Elements start at a multiple of 64 bytes, after the magic bytes, the version, the header length and the header's
    // newline.
    header += String(repeating: " ", count: (64 - (10 + header.utf8.count + 1) % 64) % 64) + "\n"
    let length = UInt16(header.utf8.count)
    try WholeFile.write(to: path) { file in
      let start: [UInt8] =
        [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 0xFF), UInt8(length >> 8)] + Array(header.utf8)
      try start.withUnsafeBytes { try file.write($0) }
      try values.withUnsafeBytes { try file.write($0) }
    }
  }
}
