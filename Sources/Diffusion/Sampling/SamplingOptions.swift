import Settings

/// How images are sampled: the sampling keys of the section `sampling`. For keys that are nil, the scheduler's or the
/// process's defaults apply.
public struct SamplingOptions: Hashable, Sendable {
  public var sampler: SamplerKind?
  /// K.
  public var steps: Int?
  public var spacing: Spacing?
  /// η of ddim.
  public var eta = 0.0
  public var guidance = Guidance()
  public var clip: ClipChoice?
  /// The range of `clip: true`.
  public var clipRange: Double?
  /// The quantile of `clip: dynamic`.
  public var clipRatio: Double?
  public var churn = Churn()

  public init(sampler: SamplerKind? = nil, steps: Int? = nil, spacing: Spacing? = nil) {
    self.sampler = sampler
    self.steps = steps
    self.spacing = spacing
  }

  /// Reads the sampling keys; other keys of the section are left to the caller.
  ///
  /// - Throws: `SettingsError`.
  public init(_ reader: SettingsReader) throws {
    sampler = try reader.optionalChoice(
      "sampler", as: SamplerKind.self, help: "how noise becomes images; null: the process's own")
    steps = try reader.value(
      "steps", as: Int.self, in: 1...100_000,
      help: "steps K of the sampler; null: all timesteps of ddpm, else up to 50")
    spacing = try reader.optionalChoice(
      "spacing", as: Spacing.self, help: "where the steps lie; null: the scheduler's own")
    eta = try reader.value(
      "eta", default: 0.0, in: 0.0...1.0, help: "noise of ddim; 0: none, 1: as much as ddpm")
    guidance.scale = try reader.value(
      "guidance", default: 1.0, in: 0.0...1000.0, help: "classifier-free guidance; 1: none")
    let interval = try reader.value(
      "guidance_interval", default: [Double](), in: 0.0..., count: 0...2,
      help: "lowest and highest noise level (sigma over signal) with guidance; empty: all")
    guard interval.isEmpty || interval.count == 2 && interval[0] <= interval[1] else {
      throw reader.invalid("guidance_interval", "must be two levels, the lower first, or none")
    }
    if interval.count == 2 { guidance.interval = interval[0]...interval[1] }
    guidance.rescale = try reader.value(
      "guidance_rescale", default: 0.0, in: 0.0...1.0,
      help: "how far guided outputs get the deviation of unguided ones back")
    clip = try reader.value(
      "clip", as: ClipChoice.self,
      help: "whether the estimated image is kept in range; null: the scheduler's own")
    clipRange = try reader.value(
      "clip_range", as: Double.self, in: Above(0.0),
      help: "the range of clip: true; null: the scheduler's, or 1")
    clipRatio = try reader.value(
      "clip_ratio", as: Double.self, in: 0.0...1.0,
      help: "the quantile of clip: dynamic; null: the scheduler's, or 0.995")
    guard clipRange == nil || clip == .on else {
      throw reader.invalid("clip_range", "is the range of clip: true, and clip is \(clip?.name ?? "null")")
    }
    guard clipRatio == nil || clip == .dynamic else {
      throw reader.invalid(
        "clip_ratio", "is the quantile of clip: dynamic, and clip is \(clip?.name ?? "null")")
    }
    churn.amount = try reader.value(
      "s_churn", default: 0.0, in: 0.0..., help: "noise that euler and heun add on the way; 0: none")
    churn.least = try reader.value("s_tmin", default: 0.0, in: 0.0..., help: "lowest sigma with added noise")
    churn.most =
      try reader.value(
        "s_tmax", as: Double.self, in: 0.0..., help: "highest sigma with added noise; null: any")
      ?? .infinity
    churn.deviation = try reader.value(
      "s_noise", default: 1.0, in: 0.0..., help: "deviation of the added noise")
    if let sampler { try checkAgainst(sampler) { reader.invalid($0, $1) } }
  }

  /// Throws an error for options that the sampler does not support, rather than ignoring them.
  func checkAgainst<E: Error>(_ sampler: SamplerKind, error: (_ key: String, _ message: String) -> E) throws {
    if eta > 0, !sampler.traits.hasEta {
      throw error("eta", "is ddim's, and the sampler is \(sampler.rawValue)")
    }
    if churn.amount > 0, !sampler.traits.hasChurn {
      throw error("s_churn", "is euler's and heun's, and the sampler is \(sampler.rawValue)")
    }
  }
}

/// `sampling.clip`: false, true or dynamic.
public enum ClipChoice: Hashable, Sendable, SettingsValue {
  case off
  case on
  case dynamic

  public static var settingsExpectation: String { "false, true or dynamic" }

  public init?(settingsScalar scalar: SettingsScalar) {
    switch scalar.meaning {
    case .bool(let value): self = value ? .on : .off
    case .text("dynamic"): self = .dynamic
    default: return nil
    }
  }

  public var settingsScalar: SettingsScalar { SettingsScalar(text: name, isQuoted: false) }

  var name: String {
    switch self {
    case .off: "false"
    case .on: "true"
    case .dynamic: "dynamic"
    }
  }
}

/// A case of an enumeration, by raw value, as a value that may be null.
struct ChoiceValue<Choice: RawRepresentable & CaseIterable & Sendable & Equatable>: SettingsValue
where Choice.RawValue == String {
  let choice: Choice

  static var settingsExpectation: String {
    "one of " + Choice.allCases.map(\.rawValue).joined(separator: ", ")
  }

  init?(settingsScalar scalar: SettingsScalar) {
    guard case .text(let text) = scalar.meaning, let choice = Choice(rawValue: text) else { return nil }
    self.choice = choice
  }

  var settingsScalar: SettingsScalar { SettingsScalar(text: choice.rawValue, isQuoted: true) }
}

extension SettingsReader {
  /// Reads a case of an enumeration, by raw value; the key may be missing or null.
  func optionalChoice<Choice: RawRepresentable & CaseIterable & Sendable & Equatable>(
    _ key: String, as type: Choice.Type, help: String
  ) throws -> Choice? where Choice.RawValue == String {
    try value(key, as: ChoiceValue<Choice>.self, help: help)?.choice
  }
}
