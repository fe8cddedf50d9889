import Foundation

/// Text that names its own digest, so that a change of any byte shows: the SHA-256 of the text in which the digest's 64
/// digits are zeros.
public enum ChecksummedText {
  /// What stands in the digest's place while it is computed.
  public static let blank = String(repeating: "0", count: 64)

  /// Puts the digest of `text` in the place of the blank that follows `key`.
  public static func seal(_ text: String, key: String) -> String {
    guard let name = text.range(of: key, options: .backwards),
      let place = text.range(of: blank, range: name.upperBound..<text.endIndex)
    else { preconditionFailure("no blank follows \(key)") }
    return text.replacingCharacters(in: place, with: SHA256.digest(of: text))
  }

  /// Whether `digest`, which was found in `text`, is the text's.
  public static func isSealed(_ text: some Sequence<UInt8>, by digest: String) -> Bool {
    // What is no text has another digest than what is.
    let text = String(decoding: Array(text), as: UTF8.self)
    guard digest.utf8.count == blank.utf8.count, let place = text.range(of: digest) else { return false }
    return SHA256.digest(of: text.replacingCharacters(in: place, with: blank)) == digest
  }
}
