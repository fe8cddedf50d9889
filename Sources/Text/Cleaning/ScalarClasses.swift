extension Unicode.Scalar {
  /// A letter (`\p{L}`), as of a version of Unicode.
  func isLetter(asOf version: UnicodeVersion) -> Bool {
    if isASCII { return ("a"..."z").contains(self) || ("A"..."Z").contains(self) }
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
      return version.has(self)
    default: return false
    }
  }

  /// A number (`\p{N}`): digits, letters and others that stand for numbers; as of a version of Unicode.
  func isNumber(asOf version: UnicodeVersion) -> Bool {
    if isASCII { return ("0"..."9").contains(self) }
    switch properties.generalCategory {
    case .decimalNumber, .letterNumber, .otherNumber: return version.has(self)
    default: return false
    }
  }

  /// What Python's `str.split()` and `str.strip()` take for white space: Unicode's, and four separators of ASCII.
  var isPythonSpace: Bool { properties.isWhitespace || ("\u{1C}"..."\u{1F}").contains(self) }

  /// Part of a word in a regular expression (`\w`, Unicode Technical Standard 18, annex C).
  var isWordPart: Bool {
    if properties.isAlphabetic || properties.isJoinControl { return true }
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
    default: return false
    }
  }

  /// A combining mark.
  var isMark: Bool {
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: true
    default: false
    }
  }
}

/// A version of Unicode: scalars that a later one assigned are neither letters nor numbers to it.
struct UnicodeVersion: Sendable {
  let major: Int

  /// That of Oniguruma in the library tokenizers (0.23), which transformers uses.
  static let tokenizers = UnicodeVersion(major: 16)
  /// That of Swift's own tables.
  static let newest = UnicodeVersion(major: .max)

  func has(_ scalar: Unicode.Scalar) -> Bool {
    major == .max || scalar.properties.age.map { $0.major <= major } ?? false
  }
}
