import CZlib

/// Texts about a picture in its PNG file, as keyword and text: chunks `tEXt` for ASCII, `iTXt` for all else
/// (PNG specification, third edition, 11.3.3).
enum PNGTextChunks {
  /// The chunk that ends a file: no data.
  private static let endLength = 12

  /// `png` with the texts before its end.
  static func adding(_ texts: [(keyword: String, text: String)], to png: [UInt8]) -> [UInt8] {
    precondition(png.count >= endLength, "\(png.count) bytes of a PNG file")
    let end = png.count - endLength
    return png[..<end] + texts.flatMap(chunk) + png[end...]
  }

  private static func chunk(_ keyword: String, _ text: String) -> [UInt8] {
    precondition(
      (1...79).contains(keyword.utf8.count) && keyword.utf8.allSatisfy { (0x20..<0x7F).contains($0) },
      "a keyword \(keyword)")
    // A zero would end the text.
    let bytes = text.utf8.filter { $0 != 0 }
    let isPlain = bytes.allSatisfy { (0x20..<0x7F).contains($0) || $0 == 0x0A }
    // iTXt: not compressed, by no method, in no named language, with no translated keyword.
    let separator: [UInt8] = isPlain ? [0] : [0, 0, 0, 0, 0]
    let content = Array((isPlain ? "tEXt" : "iTXt").utf8) + Array(keyword.utf8) + separator + bytes
    let sum = content.withUnsafeBufferPointer { crc32(0, $0.baseAddress, UInt32($0.count)) }
    return bigEndian(UInt32(content.count - 4)) + content + bigEndian(UInt32(truncatingIfNeeded: sum))
  }

  private static func bigEndian(_ number: UInt32) -> [UInt8] {
    withUnsafeBytes(of: number.bigEndian) { Array($0) }
  }
}
