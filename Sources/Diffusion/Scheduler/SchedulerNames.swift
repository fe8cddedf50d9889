import Settings

/// diffusers' names of predictions.
enum PredictionType: String, CaseIterable, Sendable {
  case epsilon
  case sample
  case v = "v_prediction"

  init(_ prediction: Prediction) {
    self =
      switch prediction {
      case .epsilon: .epsilon
      case .v: .v
      case .sample: .sample
      }
  }

  var prediction: Prediction {
    switch self {
    case .epsilon: .epsilon
    case .v: .v
    case .sample: .sample
    }
  }
}

/// diffusers' names of schedules.
enum BetaSchedule: String, CaseIterable, Sendable {
  case linear
  case scaledLinear = "scaled_linear"
  case cosineCapped = "squaredcos_cap_v2"
  case sigmoid
}

/// diffusers' names of spacings; `karras` is a key of its own there.
enum TimestepSpacing: String, CaseIterable, Sendable {
  case leading
  case trailing
  case linspace
}

/// Where the last step leads.
enum FinalSigma: String, CaseIterable, Sendable {
  case zero
  /// The noise of the first timestep.
  case least = "sigma_min"
}

/// A number that may be infinite, as Python's JSON writes it.
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
