extension Unicode.Scalar {
  /// Whether the scalar is a letter (`\p{L}`) in a version of Unicode.
  func isLetter(asOf version: UnicodeVersion) -> Bool {
    if isASCII { return ("a"..."z").contains(self) || ("A"..."Z").contains(self) }
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
      return version.has(self)
    default: return false
    }
  }

  /// Whether the scalar is a number (`\p{N}`: digits, letters and other characters for numbers) in a version of
  /// Unicode.
  func isNumber(asOf version: UnicodeVersion) -> Bool {
    if isASCII { return ("0"..."9").contains(self) }
    switch properties.generalCategory {
    case .decimalNumber, .letterNumber, .otherNumber: return version.has(self)
    default: return false
    }
  }

  /// White space according to Python's `str.split()` and `str.strip()`: Unicode's, and four ASCII separators.
  var isPythonSpace: Bool { properties.isWhitespace || ("\u{1C}"..."\u{1F}").contains(self) }

  /// Whether the scalar is part of a word in a regular expression (`\w`, Unicode Technical Standard 18, annex C).
  var isWordPart: Bool {
    if properties.isAlphabetic || properties.isJoinControl { return true }
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
    default: return false
    }
  }

  /// Whether the scalar is a combining mark.
  var isMark: Bool {
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: true
    default: false
    }
  }
}

/// A version of Unicode: scalars that were assigned later are neither letters nor numbers.
struct UnicodeVersion: Sendable {
  let major: Int

  /// The version of Oniguruma in the tokenizers library (0.23), which transformers uses.
  static let tokenizers = UnicodeVersion(major: 16)
  /// The version of Swift's tables.
  static let newest = UnicodeVersion(major: .max)

  func has(_ scalar: Unicode.Scalar) -> Bool {
    major == .max || scalar.properties.age.map { $0.major <= major } ?? false
  }
}
