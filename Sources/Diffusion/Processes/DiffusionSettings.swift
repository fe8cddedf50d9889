import Kernels
import Settings

/// Reads the section `diffusion` of a configuration.
public enum DiffusionSettings {
  /// The process that the section describes.
  ///
  /// - Throws: `SettingsError`, also for keys of another process and for inconsistent combinations.
  public static func process(_ reader: SettingsReader) throws -> any DiffusionProcess {
    if reader.isGiven("objective") {
      throw reader.invalid("objective", "is called prediction now: epsilon, v or sample")
    }
    let kind = try reader.choice(
      "process", default: ProcessKind.ddpm, help: "how images become noise: ddpm, edm or flow")
    for (owner, keys) in keysByProcess where !owner.contains(kind) {
      for key in keys where reader.isGiven(key) {
        throw reader.invalid(
          key,
          "belongs to the process \(owner.map(\.rawValue).joined(separator: " or ")), and this is \(kind.rawValue)"
        )
      }
    }
    switch kind {
    case .ddpm: return try ddpm(reader)
    case .edm: return try edm(reader)
    case .flow: return try flow(reader)
    }
  }

  private static let keysByProcess: [([ProcessKind], [String])] = [
    (
      [.ddpm],
      [
        "schedule", "beta_start", "beta_end", "prediction", "variance", "bound_weight", "zero_terminal_snr",
      ] + LossWeighting.keys
    ),
    ([.ddpm, .flow], ["timesteps"]),
    ([.edm], ["sigma_data", "p_mean", "p_std", "sigma_min", "sigma_max"]),
    ([.flow], ["time_distribution", "logit_mean", "logit_std", "shift"]),
  ]

  private static func ddpm(_ reader: SettingsReader) throws -> DDPMProcess {
    let schedule = try schedule(reader)
    let prediction = try reader.choice(
      "prediction", default: Prediction.epsilon, help: "what the model predicts: noise, v, or the image")
    let variance = try reader.choice(
      "variance", default: ReverseVariance.fixedSmall, help: "of ancestral sampling's noise")
    var boundWeight = 0.001
    // Keys that apply to only one choice are read only with that choice, so that the resolved configuration can be read
    // back.
    if variance == .learnedRange {
      boundWeight = try reader.value(
        "bound_weight", default: boundWeight, in: 0.0...,
        help: "weight of the variational bound in the loss, by which learned variances learn")
    } else if reader.isGiven("bound_weight") {
      throw reader.invalid(
        "bound_weight", "is of variance: learned-range, and variance is \(variance.rawValue)")
    }
    let loss = try loss(reader, default: .huber)
    let weighting = try LossWeighting(reader)
    let isRescaled = try reader.value(
      "zero_terminal_snr", default: false, help: "whether the schedule is rescaled to end without signal")
    if isRescaled {
      guard prediction != .epsilon else {
        throw reader.invalid(
          "zero_terminal_snr",
          "needs prediction v or sample: where no signal is left, epsilon says nothing of the image")
      }
      guard schedule.timesteps > 1 else {
        throw reader.invalid("zero_terminal_snr", "needs at least two timesteps")
      }
    }
    return DDPMProcess(
      schedule: isRescaled ? schedule.rescaledToZeroTerminalSNR() : schedule, prediction: prediction,
      variance: variance, loss: loss, weighting: weighting, offsetNoise: try offsetNoise(reader),
      boundWeight: boundWeight)
  }

  private static func schedule(_ reader: SettingsReader) throws -> NoiseSchedule {
    let timesteps = try timesteps(reader, default: 300)
    let kind = try reader.choice("schedule", default: NoiseSchedule.Kind.linear, help: "how β grows")
    let bounds = 0x1p-60...(1 - 0x1p-53)
    let start = try reader.value(
      "beta_start", as: Double.self, in: bounds, help: "the first β; null: the schedule's own")
    let end = try reader.value(
      "beta_end", as: Double.self, in: bounds, help: "the last β; null: the schedule's own")
    guard let defaults = kind.defaultBetas else {
      for key in ["beta_start", "beta_end"] where (key == "beta_start" ? start : end) != nil {
        throw reader.invalid(
          key, "the schedule \(kind.rawValue) takes none: its βs follow from the timesteps")
      }
      return NoiseSchedule(kind, timesteps: timesteps)
    }
    let (first, last) = (start ?? defaults.start, end ?? defaults.end)
    guard first <= last else {
      throw reader.invalid(
        end == nil ? "beta_start" : "beta_end", "beta_start \(first) is above beta_end \(last)")
    }
    return NoiseSchedule(kind, timesteps: timesteps, betaStart: start, betaEnd: end)
  }

  /// Standard deviations whose squares and quotients float32 holds.
  static let sigmas = 1e-12...1e12

  private static func edm(_ reader: SettingsReader) throws -> EDMProcess {
    let sigmaData = try reader.value(
      "sigma_data", default: 0.5, in: sigmas, help: "the deviation of the data")
    let mean = try reader.value(
      "p_mean", default: -1.2, in: -20.0...20.0, help: "mean of ln(sigma) in training")
    let deviation = try reader.value(
      "p_std", default: 1.2, in: 0.001...10.0, help: "deviation of ln(sigma) in training")
    let least = try reader.value(
      "sigma_min", default: 0.002, in: sigmas, help: "the lowest sigma of sampling, before 0")
    let most = try reader.value(
      "sigma_max", default: 80.0, in: sigmas, help: "the highest sigma of sampling")
    guard least < most else {
      throw reader.invalid("sigma_min", "must be below sigma_max: \(least), \(most)")
    }
    return EDMProcess(
      sigmaData: sigmaData, logMean: mean, logDeviation: deviation, sigmaMin: least, sigmaMax: most,
      loss: try loss(reader, default: .l2), offsetNoise: try offsetNoise(reader))
  }

  private enum TimeName: String, CaseIterable {
    case uniform
    case logitNormal = "logit-normal"
  }

  private static func flow(_ reader: SettingsReader) throws -> FlowProcess {
    let timesteps = try timesteps(reader, default: 1000)
    let name = try reader.choice("time_distribution", default: TimeName.uniform, help: "how training draws t")
    var times = FlowProcess.TimeDistribution.uniform
    switch name {
    case .logitNormal:
      times = .logitNormal(
        mean: try reader.value(
          "logit_mean", default: 0.0, in: -10.0...10.0, help: "mean of logit(t), logit-normal"),
        deviation: try reader.value(
          "logit_std", default: 1.0, in: 0.001...10.0, help: "deviation of logit(t), logit-normal"))
    case .uniform:
      for key in ["logit_mean", "logit_std"] where reader.isGiven(key) {
        throw reader.invalid(key, "is of time_distribution: logit-normal, and that is uniform")
      }
    }
    return FlowProcess(
      timesteps: timesteps,
      times: times,
      shift: try reader.value(
        "shift", default: 1.0, in: 0.01...100.0, help: "above 1: more time at high noise, for large images"),
      loss: try loss(reader, default: .l2), offsetNoise: try offsetNoise(reader))
  }

  private static func timesteps(_ reader: SettingsReader, default value: Int) throws -> Int {
    try reader.value("timesteps", default: value, in: 1...100_000, help: "diffusion timesteps T")
  }

  private static func loss(_ reader: SettingsReader, default value: PredictionLoss) throws -> PredictionLoss {
    try reader.choice("loss", default: value, help: "distance from what it should predict")
  }

  private static func offsetNoise(_ reader: SettingsReader) throws -> Double {
    try reader.value(
      "offset_noise", default: 0.0, in: 0.0...10.0,
      help: "noise that a channel's pixels share, so that brightness is learned; 0: none")
  }
}
