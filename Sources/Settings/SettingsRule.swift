/// A constraint on a scalar: its type and bounds, or allowed names, as a test and in words.
struct SettingsRule<Value: SettingsValue> {
  /// For example, `a whole number from 1 to 4096`.
  let expectation: String
  let allows: (Value) -> Bool

  /// Allows all values of the type.
  init() {
    expectation = Value.settingsExpectation
    allows = { _ in true }
  }

  init(_ bounds: some SettingsBounds<Value>) {
    expectation = "\(Value.settingsExpectation) \(bounds.boundsDescription)"
    allows = bounds.allows
  }
}

extension SettingsRule where Value == String {
  init(among names: [String]) {
    expectation = "one of " + names.joined(separator: ", ")
    allows = names.contains
  }
}
