extension Mojibake {
  /// Whether `text` contains sequences of characters that are rare in correctly decoded text.
  static func isSuspect(_ text: [Unicode.Scalar]) -> Bool {
    let classes = text.map { Self.classes(of: $0) }
    return text.indices.contains { isSuspect(text, classes, at: $0) }
  }

  private static func isSuspect(_ text: [Unicode.Scalar], _ classes: [CharacterClass], at place: Int) -> Bool
  {
    // Fast path: most texts are mostly ASCII, and few ASCII characters start a suspect sequence.
    let scalar = text[place]
    if scalar.isASCII, place + 1 == text.count || text[place + 1].isASCII && !text[place + 1].isPythonSpace {
      return false
    }
    let window = Window(text: text, classes: classes, place: place)
    return isSuspectPair(window) || isSuspectTriple(window) || isKnown(window)
  }

  /// The characters from one index on.
  private struct Window {
    let text: [Unicode.Scalar]
    let classes: [CharacterClass]
    let place: Int

    /// Whether the character at `offset` is of one of `kinds`.
    func has(_ offset: Int, _ kinds: CharacterClass) -> Bool {
      place + offset < text.count && !classes[place + offset].isDisjoint(with: kinds)
    }

    /// Whether the character at `offset` is one of `others`, or of one of `kinds`.
    func has(_ offset: Int, anyOf others: String, _ kinds: CharacterClass = []) -> Bool {
      guard place + offset < text.count else { return false }
      return others.unicodeScalars.contains(text[place + offset]) || has(offset, kinds)
    }

    func satisfies(_ offset: Int, _ condition: (Unicode.Scalar) -> Bool) -> Bool {
      place + offset < text.count && condition(text[place + offset])
    }

    var isAtStart: Bool { place == 0 }
  }

  private static let marked: CharacterClass = [
    .lowerAccented, .upperAccented, .box, .startPunctuation, .endPunctuation, .currency, .numeric, .law,
  ]

  private static func isSuspectPair(_ window: Window) -> Bool {
    if window.has(0, .c1) { return true }
    let pairs: [(CharacterClass, CharacterClass)] = [
      (marked.union(.bad), .bad),
      (.bad, marked),
      ([.lowerAccented, .lowerCommon, .box, .endPunctuation, .currency, .numeric], .upperAccented),
      ([.box, .endPunctuation, .currency, .numeric], .lowerAccented),
      ([.lowerAccented, .box, .endPunctuation], .currency),
      ([.upperAccented, .box], [.numeric, .law]),
      ([.currency, .numeric, .box], .startPunctuation),
      (.box, [.kaomoji, .endPunctuation]),
      (marked.subtracting(.box), .box),
    ]
    if pairs.contains(where: { window.has(0, $0.0) && window.has(1, $0.1) }) { return true }
    return window.has(0, anyOf: "Œœ") && window.satisfies(1) { !isASCIILetter($0) }
      || window.has(0, .upperAccented) && window.has(1, anyOf: "°")
      || window.has(0, anyOf: "ÂÃÎÐ")
        && window.has(1, anyOf: "€œŠš¢£Ÿž\u{A0}\u{AD}®©°·»–—´", [.startPunctuation, .endPunctuation])
      || window.has(0, anyOf: "×") && window.has(1, anyOf: "²³")
  }

  private static func isSuspectTriple(_ window: Window) -> Bool {
    let accented: CharacterClass = [.lowerAccented, .upperAccented]
    let triples: [(CharacterClass, CharacterClass, CharacterClass)] = [
      (accented.union([.box, .currency, .endPunctuation]), .startPunctuation, .numeric),
      (accented.union([.currency, .numeric, .box, .law]), .endPunctuation, .startPunctuation),
    ]
    if triples.contains(where: { window.has(0, $0.0) && window.has(1, $0.1) && window.has(2, $0.2) }) {
      return true
    }
    return window.satisfies(0, isASCIILetter) && window.has(1, [.lowerCommon, .upperCommon])
      && window.has(2, .bad)
      || window.satisfies(0, \.isPythonSpace) && window.has(1, .upperAccented) && window.has(2, .currency)
      || window.satisfies(0, isASCIILowercase) && window.has(1, .upperAccented)
        && window.has(2, [.startPunctuation, .currency])
      || window.has(0, accented) && window.has(1, [.startPunctuation, .endPunctuation])
        && window.satisfies(2, isPythonWordPart)
  }

  /// Sequences typical of particular character sets.
  private static func isKnown(_ window: Window) -> Bool {
    let arabic: CharacterClass = [.common, .currency, .bad, .numeric, .startPunctuation]
    let between: CharacterClass = [.c1, .bad, .startPunctuation, .endPunctuation, .currency]
    let punctuation: CharacterClass = [.startPunctuation, .endPunctuation]
    func sequence(_ characters: String...) -> Bool {
      characters.indices.allSatisfy { window.has($0, anyOf: characters[$0]) }
    }
    return
      // Arabic in Windows-1252.
      window.has(0, anyOf: "ØÙ") && window.has(1, anyOf: "ŸŠ®°µ»", arabic)
      && window.has(2, anyOf: "ØÙ") && window.has(3, anyOf: "ŸŠ®°µ»", arabic)
      // South Asian scripts in Windows-1252.
      || sequence("à", "²µ¹¼½¾")
      // MacRoman.
      || sequence("√", "±∂†≠®™´≤≥¥µø") || sequence("≈", "°¢")
      || sequence("‚", "Ä", "ìîïòôúùû†°¢π") || sequence("‚", "âó", "àä°ê")
      // Windows-1251.
      || sequence("в", "Ђ")
      || window.has(0, anyOf: "ВГРС") && window.has(1, anyOf: "°µ", between) && window.has(2, anyOf: "ВГРС")
      || sequence("Г", "ў", "В", "Ђ", "В") && window.satisfies(5) { $0 != "\n" }
        && window.satisfies(6) { isASCIILetter($0) || $0 == " " }
      // à, á and the no-break space in Windows-1252.
      || sequence("Ã", "\u{A0}¡")
      || window.satisfies(0, isASCIILowercase)
        && (window.has(1, anyOf: "ÃÂ") && window.has(2, anyOf: " ")
          || window.satisfies(1, \.isPythonSpace) && window.has(2, anyOf: "ÃÂ") && window.has(3, anyOf: " "))
      || window.isAtStart && sequence("ÃÂ", " ")
      // Â before a character that it prefixes in UTF-8.
      || window.satisfies(0) {
        isASCIILowercase($0) || ".,?!".unicodeScalars.contains($0)
          || classes(of: $0).contains(.endPunctuation)
      }
        && window.has(1, anyOf: "Â") && window.has(2, anyOf: " ", punctuation)
      // Windows-1253 and Windows-1257.
      || sequence("β", "€", "™\u{A0}Ά\u{AD}®°")
      || window.has(0, anyOf: "ΒΓΞΟ") && window.has(1, anyOf: "°", between) && window.has(2, anyOf: "ΒΓΞΟ")
      || sequence("ā", "€")
  }

  private static func isASCIILowercase(_ scalar: Unicode.Scalar) -> Bool { ("a"..."z").contains(scalar) }

  private static func isASCIILetter(_ scalar: Unicode.Scalar) -> Bool {
    isASCIILowercase(scalar) || ("A"..."Z").contains(scalar)
  }

  /// `\w` in Python's `re`: letters, characters with a numeric value, and the underscore.
  private static func isPythonWordPart(_ scalar: Unicode.Scalar) -> Bool {
    scalar == "_" || scalar.isLetter(asOf: .newest) || scalar.properties.numericType != nil
  }
}
