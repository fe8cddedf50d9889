import CZlib

/// Texts in a PNG file, as pairs of keyword and text: `tEXt` chunks for ASCII, `iTXt` chunks for anything else (PNG
/// specification, third edition, 11.3.3).
enum PNGTextChunks {
  /// The length of the chunk that ends a file, which contains no data.
  private static let endLength = 12

  /// Inserts the texts before the final chunk of `png`.
  static func adding(_ texts: [(keyword: String, text: String)], to png: [UInt8]) -> [UInt8] {
    precondition(png.count >= endLength, "\(png.count) bytes of a PNG file")
    let end = png.count - endLength
    return png[..<end] + texts.flatMap(chunk) + png[end...]
  }

  private static func chunk(_ keyword: String, _ text: String) -> [UInt8] {
    precondition(
      (1...79).contains(keyword.utf8.count) && keyword.utf8.allSatisfy { (0x20..<0x7F).contains($0) },
      "a keyword \(keyword)")
    // A zero byte would end the text.
    let bytes = text.utf8.filter { $0 != 0 }
    let isPlain = bytes.allSatisfy { (0x20..<0x7F).contains($0) || $0 == 0x0A }
    // iTXt: uncompressed, compression method 0, no language, no translated keyword.
    let separator: [UInt8] = isPlain ? [0] : [0, 0, 0, 0, 0]
    let content = Array((isPlain ? "tEXt" : "iTXt").utf8) + Array(keyword.utf8) + separator + bytes
    let sum = content.withUnsafeBufferPointer { crc32(0, $0.baseAddress, UInt32($0.count)) }
    return bigEndian(UInt32(content.count - 4)) + content + bigEndian(UInt32(truncatingIfNeeded: sum))
  }

  private static func bigEndian(_ number: UInt32) -> [UInt8] {
    withUnsafeBytes(of: number.bigEndian) { Array($0) }
  }
}
