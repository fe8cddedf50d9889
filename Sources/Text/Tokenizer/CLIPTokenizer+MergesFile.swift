import CZlib
import Files

extension CLIPTokenizer {
  /// The number of merges used from CLIP's original file: its vocabulary of 49152 includes 256 bytes, each within and
  /// at the end of words, and OpenAI used two merges fewer. The file has more lines.
  static let originalMergeCount = 49152 - 256 - 2

  /// Reads the original merges file (`bpe_simple_vocab_16e6.txt.gz`), plain or compressed, like open_clip. Texts are
  /// cleaned as in open_clip and padded with 0.
  convenience init(mergesFile path: String) throws {
    var content = try WholeFile.read(path)
    if content.starts(with: [0x1F, 0x8B]) { content = try Gzip.inflate(content, path: path) }
    let pairs = try MergesReader.pairs(of: content, path: path)
    guard pairs.first?.line == 2 else {
      throw TokenizerError(
        path, line: 1,
        "the title with \"#version\" is missing; expected CLIP's original merges file or a tokeniser's folder"
      )
    }
    var vocabulary = Vocabulary.ofBytes()
    for pair in pairs.prefix(Self.originalMergeCount) {
      guard vocabulary[pair.left + pair.right] == nil else {
        throw TokenizerError(
          path, line: pair.line,
          "the merged symbol \"\(String(decoding: pair.left + pair.right, as: UTF8.self))\" is there already")
      }
      _ = vocabulary.append(pair.left + pair.right)
    }
    var reader = MergesReader(path: path, vocabulary: vocabulary)
    for pair in pairs.prefix(Self.originalMergeCount) {
      try reader.add(pair.left, pair.right, line: pair.line)
    }
    let start = vocabulary.append(Array("<start_of_text>".utf8))
    let end = vocabulary.append(Array("<end_of_text>".utf8))
    self.init(
      path: path, style: .openCLIP, vocabulary: vocabulary, merges: reader.merges,
      added: [start: AddedToken("<start_of_text>"), end: AddedToken("<end_of_text>")],
      special: SpecialTokens(start: start, end: end, padding: 0, unknown: end),
      contextLength: Self.standardContextLength)
  }
}

/// Data compressed with gzip.
enum Gzip {
  /// Larger than any tokeniser's file.
  private static let largest = 1 << 28

  /// - Throws: ``TokenizerError`` if the data is damaged or truncated.
  static func inflate(_ compressed: [UInt8], path: String) throws -> [UInt8] {
    var stream = z_stream()
    // 16 selects gzip's header.
    let code = inflateInit2_(&stream, 16 + MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard code == Z_OK else { throw TokenizerError(path, "cannot be decompressed: zlib's error \(code)") }
    defer { inflateEnd(&stream) }
    var input = compressed
    var result: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    return try input.withUnsafeMutableBufferPointer { input in
      stream.next_in = input.baseAddress
      stream.avail_in = UInt32(clamping: input.count)
      while true {
        let (code, count) = buffer.withUnsafeMutableBufferPointer { buffer in
          stream.next_out = buffer.baseAddress
          stream.avail_out = UInt32(buffer.count)
          let code = CZlib.inflate(&stream, Z_NO_FLUSH)
          return (code, buffer.count - Int(stream.avail_out))
        }
        result += buffer[..<count]
        guard result.count <= largest else { throw TokenizerError(path, "holds more than \(largest) bytes") }
        if code == Z_STREAM_END {
          if stream.avail_in == 0 { return result }
          // A file may consist of several gzip members.
          inflateReset(&stream)
        } else if code == Z_BUF_ERROR || code == Z_OK && count == 0 && stream.avail_in == 0 {
          throw TokenizerError(path, "is truncated: the gzip data ends early; fetch it again")
        } else if code != Z_OK {
          throw TokenizerError(path, "is corrupt gzip data (zlib's error \(code)); fetch it again")
        }
      }
    }
  }
}
