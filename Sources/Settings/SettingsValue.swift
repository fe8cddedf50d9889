/// A type that a scalar of a configuration can hold.
public protocol SettingsValue: Sendable, Equatable {
  /// A description for messages, such as `a whole number`.
  static var settingsExpectation: String { get }

  /// Returns nil if the scalar means something else, or is a number that the type cannot represent.
  init?(settingsScalar: SettingsScalar)

  /// The scalar that is read back as this value.
  var settingsScalar: SettingsScalar { get }
}

extension SettingsValue where Self: FixedWidthInteger {
  /// An integer in any spelling: `1e5` and `100000.0` are 100000, while `0.5` is rejected.
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

/// Finite numbers only: no setting needs infinity or NaN.
extension Double: SettingsValue {
  public static var settingsExpectation: String { "a number" }

  public init?(settingsScalar scalar: SettingsScalar) {
    guard case .number(let number) = scalar.meaning, number.double.isFinite else { return nil }
    self = number.double
  }

  /// The shortest digits that read back as the same number, always with a decimal point: parsers of YAML 1.1, such as
  /// Python's, treat `1e-08` as text.
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

/// Any scalar except null, as spelt.
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
