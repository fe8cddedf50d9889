/// The characters by which vocabularies name the 256 bytes: a printable byte is its own character, the others use
/// characters from U+0100 on (GPT-2's `bytes_to_unicode`).
enum ByteSymbols {
  /// The suffix of symbols that end a word.
  static let wordEnd = Array("</w>".utf8)

  /// The bytes in the order in which CLIP numbers them: printable ones first, then the others.
  static let order: [UInt8] = {
    let printable = Array(33...126) + Array(161...172) + Array(174...255)
    return (printable + (0...255).filter { !printable.contains($0) }).map { UInt8($0) }
  }()

  /// The character of each byte, as UTF-8.
  static let characters: [[UInt8]] = {
    var characters = [[UInt8]](repeating: [], count: 256)
    for (place, byte) in order.enumerated() {
      let number = place < printableCount ? UInt32(byte) : UInt32(256 + place - printableCount)
      characters[Int(byte)] = Unicode.Scalar(number).map { Array(String($0).utf8) } ?? []
    }
    return characters
  }()

  private static let printableCount = 188

  /// The byte of each character.
  static let bytes: [Unicode.Scalar: UInt8] = {
    var bytes: [Unicode.Scalar: UInt8] = [:]
    for byte in UInt8.min...UInt8.max {
      for scalar in String(decoding: characters[Int(byte)], as: UTF8.self).unicodeScalars {
        bytes[scalar] = byte
      }
    }
    return bytes
  }()

  /// The bytes that a vocabulary symbol encodes, and whether it ends a word; nil for a symbol with other characters,
  /// such as a special token's.
  static func decode(_ symbol: [UInt8]) -> (bytes: [UInt8], endsWord: Bool)? {
    let endsWord = symbol.count > wordEnd.count && symbol.suffix(wordEnd.count).elementsEqual(wordEnd)
    var decoded: [UInt8] = []
    for scalar in String(decoding: symbol.dropLast(endsWord ? wordEnd.count : 0), as: UTF8.self)
      .unicodeScalars
    {
      guard let byte = bytes[scalar] else { return nil }
      decoded.append(byte)
    }
    return (decoded, endsWord)
  }
}
