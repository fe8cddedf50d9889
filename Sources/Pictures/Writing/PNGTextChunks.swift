import CZlib
import Files
import Foundation

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

  /// The uncompressed texts in a PNG file; empty for other files.
  static func texts(in png: [UInt8]) -> [(keyword: String, text: String)] {
    var texts: [(keyword: String, text: String)] = []
    var place = signature.count
    guard png.starts(with: signature) else { return [] }
    while place + endLength <= png.count {
      let length = png[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
      guard length <= png.count - place - endLength else { break }
      let type = String(decoding: png[place + 4..<place + 8], as: UTF8.self)
      let data = png[place + 8..<place + 8 + length]
      if let end = data.firstIndex(of: 0) {
        let keyword = String(decoding: data[..<end], as: UTF8.self)
        if type == "tEXt" {
          // Latin-1, whose codes equal Unicode's.
          texts.append(
            (keyword, String(String.UnicodeScalarView(data[(end + 1)...].map { Unicode.Scalar($0) }))))
        } else if type == "iTXt", let text = internationalText(data[(end + 1)...]) {
          texts.append((keyword, text))
        }
      }
      place += endLength + length
    }
    return texts
  }

  private static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  /// The text of an `iTXt` chunk, from the data after its keyword: compression flag and method, language, translated
  /// keyword, text. nil if compressed.
  private static func internationalText(_ data: ArraySlice<UInt8>) -> String? {
    guard data.count >= 2, data[data.startIndex] == 0 else { return nil }
    let rest = data.dropFirst(2).split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
    return rest.count == 3 ? String(decoding: rest[2], as: UTF8.self) : nil
  }
}

extension ImageFile {
  /// The text stored under `keyword` in a PNG file; nil if there is none, or the file has another format.
  ///
  /// - Throws: `FileError`.
  public static func text(_ keyword: String, of path: RawPath) throws -> String? {
    let bytes = try FileDescriptor(path, O_RDONLY | O_NONBLOCK).readToEnd()
    return PNGTextChunks.texts(in: bytes).first { $0.keyword == keyword }?.text
  }
}
