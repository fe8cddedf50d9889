import Foundation

/// Unicode's normalisation form C.
enum CanonicalComposition {
  /// `text` in normalisation form C.
  ///
  /// Foundation moves the rest of the text at every composition, so the text is normalised in pieces.
  static func normalize(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    guard text.contains(where: { $0.value >= firstAffected }) else { return text }
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    var start = 0
    while start < text.count {
      var end = min(start + pieceLength, text.count)
      while end < text.count, !isBoundary(before: text[end]) { end += 1 }
      let piece = text[start..<end]
      if piece.contains(where: { $0.value >= firstAffected }) {
        result += String(piece).precomposedStringWithCanonicalMapping.unicodeScalars
      } else {
        result += piece
      }
      start = end
    }
    return result
  }

  /// Everything below U+0300 is already in form C.
  private static let firstAffected: UInt32 = 0x300
  private static let pieceLength = 512

  /// Whether `scalar` never composes with, nor is reordered before, the preceding text. The second scalar of every
  /// composition is a mark, except for Hangul vowels and finals and a vowel of Kirat Rai.
  static func isBoundary(before scalar: Unicode.Scalar) -> Bool {
    if scalar.value < firstAffected { return true }
    return !(scalar.isMark || (0x1160...0x11FF).contains(scalar.value) || scalar.value == 0x16D67)
  }
}

extension String {
  init(_ scalars: some Sequence<Unicode.Scalar>) {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars)
    self.init(view)
  }
}
