import Settings

/// diffusers' names of β schedules.
enum BetaSchedule: String, CaseIterable, Sendable {
  case linear
  case scaledLinear = "scaled_linear"
  case cosineCapped = "squaredcos_cap_v2"
  case sigmoid
}

/// diffusers' names of timestep spacings; `karras` is a separate key there.
enum TimestepSpacing: String, CaseIterable, Sendable {
  case leading
  case trailing
  case linspace
}

/// The σ at which the last step ends.
enum FinalSigma: String, CaseIterable, Sendable {
  case zero
  /// The σ of the first timestep.
  case least = "sigma_min"
}

/// A number that may be infinite, in the notation of Python's JSON.
struct ExtendedNumber: SettingsValue {
  let value: Double

  init(_ value: Double) { self.value = value }

  static var settingsExpectation: String { "a number, Infinity or -Infinity" }

  init?(settingsScalar scalar: SettingsScalar) {
    switch scalar.text {
    case "-Infinity", "-.inf": value = -.infinity
    case "Infinity", ".inf": value = .infinity
    default:
      guard let number = Double(settingsScalar: scalar) else { return nil }
      value = number
    }
  }

  var settingsScalar: SettingsScalar {
    value.isInfinite
      ? SettingsScalar(text: value < 0 ? "-Infinity" : "Infinity", isQuoted: false) : value.settingsScalar
  }
}
