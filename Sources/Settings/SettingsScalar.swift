/// A scalar as written, and its meaning.
///
/// The type is chosen by the reading call, so the spelling is preserved: `path: 007` is a valid folder name.
public struct SettingsScalar: Sendable {
  public let text: String
  /// Quoted scalars are text, whatever they look like.
  public let isQuoted: Bool

  public init(text: String, isQuoted: Bool) {
    self.text = text
    self.isQuoted = isQuoted
  }

  /// The meaning of a scalar: scalars with the same meaning are equal, regardless of spelling.
  public enum Meaning: Sendable, Hashable {
    case nothing
    case bool(Bool)
    case number(Number)
    case text(String)
  }

  /// A number by value: 1e3, 1000 and 1000.0 are the same number.
  public enum Number: Sendable, Hashable {
    case whole(Int128)
    /// Not an integer, not finite, or beyond 128 bits.
    case real(Double)
  }

  /// The meaning under the core schema of YAML 1.2 (which is also JSON's), so that `yes` and `1:30` are text.
  public var meaning: Meaning {
    if isQuoted { return .text(text) }
    switch text {
    case "", "~", "null", "Null", "NULL": return .nothing
    case "true", "True", "TRUE": return .bool(true)
    case "false", "False", "FALSE": return .bool(false)
    default: return Number(text).map(Meaning.number) ?? .text(text)
    }
  }

  static let nothing = SettingsScalar(text: "null", isQuoted: false)
}

extension SettingsScalar: Equatable {
  public static func == (a: Self, b: Self) -> Bool { a.meaning == b.meaning }
}

extension SettingsScalar.Number {
  /// Parses a number in YAML 1.2's core schema: `12`, `0x1F`, `0o17`, `1e-3`, `.5`, `-.inf`, `.nan`.
  init?(_ text: String) {
    let body = text.first == "-" || text.first == "+" ? text.dropFirst() : text[...]
    switch body {
    case ".inf", ".Inf", ".INF":
      self = .real(text.first == "-" ? -.infinity : .infinity)
      return
    case ".nan", ".NaN", ".NAN":
      self = .real(.nan)
      return
    default: break
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] where text.hasPrefix(prefix) {
      let digits = text.dropFirst(2)
      guard digits.allSatisfy({ $0.isASCII && $0.isLetter || $0.isNumber }),
        let value = Int128(digits, radix: radix)
      else { return nil }
      self = .whole(value)
      return
    }
    guard Self.isDecimal(body), let value = Double(text) else { return nil }
    if let whole = Int128(text) {
      self = .whole(whole)
    } else {
      self.init(value)
    }
  }

  init(_ value: Double) {
    self = Int128(exactly: value).map(Self.whole) ?? .real(value)
  }

  /// Whether `text` is digits with at most one decimal point and an exponent: Swift's `Double` also accepts `nan` and
  /// `0x1p3`.
  private static func isDecimal(_ text: Substring) -> Bool {
    let parts = text.split(maxSplits: 1, omittingEmptySubsequences: false) { $0 == "e" || $0 == "E" }
    let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    guard mantissa.count <= 2, mantissa.contains(where: { !$0.isEmpty }),
      mantissa.allSatisfy({ $0.allSatisfy(isDigit) })
    else { return false }
    guard parts.count == 2 else { return true }
    let exponent = parts[1].first == "-" || parts[1].first == "+" ? parts[1].dropFirst() : parts[1]
    return !exponent.isEmpty && exponent.allSatisfy(isDigit)
  }

  private static func isDigit(_ character: Character) -> Bool { ("0"..."9").contains(character) }

  /// The nearest `Double`.
  var double: Double {
    switch self {
    case .whole(let value): Double(value)
    case .real(let value): value
    }
  }
}
