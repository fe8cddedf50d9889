import CCrypto
import Foundation

/// SHA-256 digests in hexadecimal.
public enum SHA256 {
  /// The digest of a file's contents, which are read in pieces.
  ///
  /// - Throws: ``FileError`` if the file cannot be read.
  public static func digest(ofFile path: String) throws -> String {
    let file = try FileDescriptor(path, O_RDONLY)
    let stream = Stream()
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { piece.deallocate() }
    while true {
      let count = try file.read(into: piece)
      if count == 0 { return stream.finish() }
      stream.append(UnsafeRawBufferPointer(rebasing: piece[..<count]))
    }
  }

  /// The digest of a string's UTF-8 bytes.
  public static func digest(of text: String) -> String {
    let stream = Stream()
    Array(text.utf8).withUnsafeBytes { stream.append($0) }
    return stream.finish()
  }

  /// An incremental digest. The libcrypto functions fail only if the algorithm is unavailable or memory runs out.
  package final class Stream {
    private let context: OpaquePointer?

    package init() {
      oboro_keep_crypto()
      context = EVP_MD_CTX_new()
      let outcome = EVP_DigestInit_ex(context, EVP_sha256(), nil)
      precondition(outcome == 1, "libcrypto offers no SHA-256")
    }

    deinit { EVP_MD_CTX_free(context) }

    package func append(_ bytes: UnsafeRawBufferPointer) {
      let outcome = EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
      precondition(outcome == 1, "EVP_DigestUpdate failed")
    }

    package func finish() -> String {
      var digest = [UInt8](repeating: 0, count: 32)
      let outcome = EVP_DigestFinal_ex(context, &digest, nil)
      precondition(outcome == 1, "EVP_DigestFinal_ex failed")
      let digits = Array("0123456789abcdef".utf8)
      return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
  }
}
