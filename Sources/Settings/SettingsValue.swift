/// A type that one scalar of a configuration can hold.
public protocol SettingsValue: Sendable, Equatable {
  /// What a message calls it, such as `a whole number`.
  static var settingsExpectation: String { get }

  /// nil when the scalar means something else, or a number that the type cannot hold.
  init?(settingsScalar: SettingsScalar)

  /// The scalar that reads as this value.
  var settingsScalar: SettingsScalar { get }
}

extension SettingsValue where Self: FixedWidthInteger {
  /// A whole number, however spelt: `1e5` and `100000.0` are 100000, `0.5` is none.
  public init?(settingsScalar scalar: SettingsScalar) {
    guard case .number(.whole(let value)) = scalar.meaning else { return nil }
    self.init(exactly: value)
  }

  public var settingsScalar: SettingsScalar { SettingsScalar(text: String(self), isQuoted: false) }
}

extension Int: SettingsValue {
  public static var settingsExpectation: String { "a whole number" }
}

extension UInt64: SettingsValue {
  public static var settingsExpectation: String { "a non-negative whole number below 2^64" }
}

/// Finite numbers only: no setting has a use for infinity or NaN.
extension Double: SettingsValue {
  public static var settingsExpectation: String { "a number" }

  public init?(settingsScalar scalar: SettingsScalar) {
    guard case .number(let number) = scalar.meaning, number.double.isFinite else { return nil }
    self = number.double
  }

  /// The shortest digits that read back as the same number, always with a point: parsers of YAML 1.1, such as
  /// Python's, take `1e-08` for text.
  public var settingsScalar: SettingsScalar {
    var text = description
    if let exponent = text.firstIndex(of: "e"), !text[..<exponent].contains(".") {
      text.insert(contentsOf: ".0", at: exponent)
    }
    return SettingsScalar(text: text, isQuoted: false)
  }
}

extension Bool: SettingsValue {
  public static var settingsExpectation: String { "true or false" }

  public init?(settingsScalar scalar: SettingsScalar) {
    guard case .bool(let value) = scalar.meaning else { return nil }
    self = value
  }

  public var settingsScalar: SettingsScalar { SettingsScalar(text: description, isQuoted: false) }
}

/// Any scalar but null, as it is spelt.
extension String: SettingsValue {
  public static var settingsExpectation: String { "text" }

  public init?(settingsScalar scalar: SettingsScalar) {
    guard scalar.meaning != .nothing else { return nil }
    self = scalar.text
  }

  public var settingsScalar: SettingsScalar { SettingsScalar(text: self, isQuoted: true) }
}

extension SettingsNode {
  public init(_ value: some SettingsValue) { self.init(.scalar(value.settingsScalar)) }

  public init(_ values: [some SettingsValue]) { self.init(.list(values.map { SettingsNode($0) })) }
}
