import Foundation

/// Text that contains its own digest, so that any altered byte is detected: the SHA-256 of the text with the digest's
/// 64 digits replaced by zeros.
public enum ChecksummedText {
  /// The placeholder for the digest while it is computed.
  public static let blank = String(repeating: "0", count: 64)

  /// Replaces the blank that follows `key` with the digest of `text`.
  public static func seal(_ text: String, key: String) -> String {
    guard let name = text.range(of: key, options: .backwards),
      let place = text.range(of: blank, range: name.upperBound..<text.endIndex)
    else { preconditionFailure("no blank follows \(key)") }
    return text.replacingCharacters(in: place, with: SHA256.digest(of: text))
  }

  /// Whether `digest`, which was found in `text`, is that of the text.
  public static func isSealed(_ text: some Sequence<UInt8>, by digest: String) -> Bool {
    // Invalid UTF-8 is replaced during decoding, so the digest will not match.
    let text = String(decoding: Array(text), as: UTF8.self)
    guard digest.utf8.count == blank.utf8.count, let place = text.range(of: digest) else { return false }
    return SHA256.digest(of: text.replacingCharacters(in: place, with: blank)) == digest
  }
}
