import Optimization
import Settings

/// The `ema` section: moving averages of the weights.
public struct AverageSettings: Hashable, Sendable {
  /// One of several averages.
  public struct Average: Hashable, Sendable {
    public let name: String
    public let profile: EMAProfile
  }

  /// The average that samples are drawn with; nil draws with the weights themselves.
  public let first: EMAProfile?
  public let further: [Average]

  /// Prefix of the names of further averages, shared with the first average's name.
  private static let prefix = "ema-"

  private enum Profile: String, CaseIterable {
    case constant
    case warmup
    case power
  }

  init(_ reader: SettingsReader) throws {
    let profile = try reader.choice(
      "profile", default: Profile.constant,
      help: "how averages forget: constant, warmup (faster at first), or power (EDM2's)")
    // Keys specific to one profile are read only with that profile: the resolved configuration must be readable again.
    let owners: [(String, [Profile])] = [
      ("decay", [.constant, .warmup]), ("further_decays", [.constant, .warmup]), ("widths", [.power]),
    ]
    for (key, owner) in owners where reader.isGiven(key) && !owner.contains(profile) {
      throw reader.invalid(
        key,
        "is of profile \(owner.map(\.rawValue).joined(separator: " or ")), and that is \(profile.rawValue)")
    }
    if profile == .power {
      let widths = try reader.value(
        "widths", default: [0.1], in: 0.01...0.28, count: 1...,
        help: "widths of the averages, parts of the run (sigma_rel); samples are drawn with the first")
      try Self.requireDistinct(widths, "widths", reader)
      first = .power(relativeWidth: widths[0])
      further = widths.dropFirst().map {
        Average(name: "\(Self.prefix)\($0)", profile: .power(relativeWidth: $0))
      }
      return
    }
    let decay = try reader.value(
      "decay", default: 0.995, in: 0.0..<1.0,
      help: "decay of the average that samples are drawn with; 0: the weights themselves")
    let others = try reader.value(
      "further_decays", default: [Double](), in: Above(0.0), help: "decays of further averages")
    if let high = others.first(where: { $0 >= 1 }) {
      throw reader.invalid("further_decays", "must be below 1, one is \(high)")
    }
    guard decay > 0 || others.isEmpty else {
      throw reader.invalid("further_decays", "needs a first average, and decay is 0")
    }
    try Self.requireDistinct([decay] + others, "further_decays", reader)
    func make(_ decay: Double) -> EMAProfile {
      profile == .warmup ? .warmedUp(decay: decay) : .constant(decay: decay)
    }
    first = decay > 0 ? make(decay) : nil
    further = others.map { Average(name: "\(Self.prefix)\($0)", profile: make($0)) }
  }

  private static func requireDistinct(_ values: [Double], _ key: String, _ reader: SettingsReader) throws {
    guard Set(values).count == values.count else { throw reader.invalid(key, "names an average twice") }
  }
}
