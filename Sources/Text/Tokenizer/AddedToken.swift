/// A token that texts may name by its content, such as `<|endoftext|>`: matched before word splitting.
struct AddedToken: Sendable, Equatable {
  let content: [Unicode.Scalar]
  /// Whether its cleaned content is matched in the cleaned text.
  var isNormalized = false
  /// Whether it matches only where no letter or digit is adjacent.
  var isSingleWord = false
  /// Whether it is one of the tokens without text, which decoding omits.
  var isSpecial = true
  // White space next to a token never becomes a token, so these two have no effect; they are kept for writing.
  var stripsLeft = false
  var stripsRight = false

  init(_ content: String) { self.content = Array(content.unicodeScalars) }

  /// The content, as UTF-8.
  var bytes: [UInt8] { Array(String(content).utf8) }
}

/// Finds added tokens in texts: from left to right, the longest match at each position.
struct AddedTokenFinder: Sendable {
  enum Piece: Equatable {
    case text(ArraySlice<Unicode.Scalar>)
    case token(Int32)
  }

  private struct Pattern: Sendable {
    let scalars: [Unicode.Scalar]
    let isSingleWord: Bool
    let id: Int32
  }

  /// Patterns by their first scalar, the longest first.
  private var patterns: [Unicode.Scalar: [Pattern]] = [:]

  /// - Parameter tokens: the tokens to find, with their ids.
  init(_ tokens: [(scalars: [Unicode.Scalar], isSingleWord: Bool, id: Int32)]) {
    for token in tokens {
      guard let first = token.scalars.first else { continue }
      patterns[first, default: []].append(
        Pattern(scalars: token.scalars, isSingleWord: token.isSingleWord, id: token.id))
    }
    for first in patterns.keys { patterns[first]?.sort { $0.scalars.count > $1.scalars.count } }
  }

  /// Splits `text` into tokens and the texts between them, none of which is empty.
  func pieces(of text: [Unicode.Scalar]) -> [Piece] {
    var pieces: [Piece] = []
    var start = 0
    var place = 0
    while place < text.count {
      guard let candidates = patterns[text[place]],
        let match = candidates.first(where: { text[place...].starts(with: $0.scalars) }),
        !match.isSingleWord || isSeparate(text, place, place + match.scalars.count)
      else {
        place += 1
        continue
      }
      if place > start { pieces.append(.text(text[start..<place])) }
      pieces.append(.token(match.id))
      place += match.scalars.count
      start = place
    }
    if text.count > start { pieces.append(.text(text[start...])) }
    return pieces
  }

  private func isSeparate(_ text: [Unicode.Scalar], _ start: Int, _ end: Int) -> Bool {
    !(start > 0 && text[start - 1].isWordPart) && !(end < text.count && text[end].isWordPart)
  }
}
