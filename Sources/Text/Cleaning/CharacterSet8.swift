/// A character set of 256 characters whose lower half is ASCII.
struct CharacterSet8: Sendable {
  let name: String
  /// Whether an unassigned byte decodes to the control character with its number, and U+FFFD encodes as 0x1A.
  let isSloppy: Bool
  private let upperHalf: [Unicode.Scalar]
  private let bytes: [Unicode.Scalar: UInt8]

  private static let substitute: UInt8 = 0x1A

  /// - Parameter upperHalf: the scalars of bytes 128 to 255, in hexadecimal.
  init(name: String, isSloppy: Bool, upperHalf: String) {
    self.name = name
    self.isSloppy = isSloppy
    self.upperHalf = upperHalf.split(separator: " ").compactMap {
      UInt32($0, radix: 16).flatMap(Unicode.Scalar.init)
    }
    var bytes: [Unicode.Scalar: UInt8] = [:]
    for (place, scalar) in self.upperHalf.enumerated() { bytes[scalar] = UInt8(128 + place) }
    if isSloppy { bytes["\u{FFFD}"] = Self.substitute }
    self.bytes = bytes
  }

  func decode(_ byte: UInt8) -> Unicode.Scalar {
    byte < 128 ? Unicode.Scalar(byte) : upperHalf[Int(byte) - 128]
  }

  /// The bytes of `text`; nil if a scalar has none.
  func encode(_ text: [Unicode.Scalar]) -> [UInt8]? {
    var encoded: [UInt8] = []
    encoded.reserveCapacity(text.count)
    for scalar in text {
      if scalar.isASCII, !(isSloppy && scalar.value == UInt32(Self.substitute)) {
        encoded.append(UInt8(scalar.value))
      } else if let byte = bytes[scalar] {
        encoded.append(byte)
      } else {
        return nil
      }
    }
    return encoded
  }

  /// Whether the byte that is the scalar's number in Latin-1 is unassigned in this character set.
  func lacks(_ scalar: Unicode.Scalar) -> Bool {
    isSloppy && (0x80...0x9F).contains(scalar.value) && bytes[scalar] == UInt8(scalar.value)
  }
}
