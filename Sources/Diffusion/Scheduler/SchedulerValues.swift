import Settings

/// The values of a scheduler's configuration, as read by one of diffusers' classes.
struct SchedulerValues {
  var sampler: SamplerKind
  var schedule: NoiseSchedule
  var prediction: Prediction
  var variance = ReverseVariance.fixedSmall
  var spacing: TimestepSpacing
  var stepsOffset: Int
  var usesKarras = false
  var sigmaMin: Double?
  var sigmaMax: Double?
  var finalSigma = FinalSigma.zero
  var setsAlphaToOne = true
  var clipping = Clipping.none
  var solver = SolverOptions()
  var leastLogSNR = -Double.infinity

  private let reader: SettingsReader
  private let read: SchedulerClass

  /// - Parameters:
  ///   - read: the class whose keys and defaults apply.
  ///   - sampler: the sampler requested by the caller, if any.
  init(_ reader: SettingsReader, _ read: SchedulerClass, sampler: SamplerKind?) throws {
    self.reader = reader
    self.read = read
    schedule = try Self.schedule(reader, read)
    prediction = try Self.prediction(reader)
    let isDDIM = read == .ddim || read == .ddpm
    spacing = try reader.choice(
      "timestep_spacing", default: isDDIM ? TimestepSpacing.leading : .linspace,
      help: "where the steps lie")
    stepsOffset = try reader.value(
      "steps_offset", default: 0, in: 0..., help: "what is added to leading timesteps")
    self.sampler = .ddim
    self.sampler = try readSampler(sampler)
    if has("rescale_betas_zero_snr"),
      try reader.value(
        "rescale_betas_zero_snr", default: false, help: "whether no signal is left at the last timestep")
    {
      guard schedule.timesteps > 1 else {
        throw reader.invalid("rescale_betas_zero_snr", "needs at least two timesteps")
      }
      schedule = schedule.rescaledToZeroTerminalSNR()
    }
    try readSigmas()
    try readClipping()
    try readSolver()
    guard prediction != .epsilon || schedule.cumulativeAlphas.allSatisfy({ $0 > 0 }) else {
      throw reader.invalid(
        "prediction_type",
        "epsilon says nothing of the image at a timestep without signal: v_prediction or sample does")
    }
  }

  private func has(_ key: String) -> Bool { read.keys.contains(key) }

  private static func prediction(_ reader: SettingsReader) throws -> Prediction {
    let name = try reader.choice(
      "prediction_type", among: Prediction.allCases.map(\.schedulerName),
      default: Prediction.epsilon.schedulerName, help: "what the network predicts")
    guard let prediction = Prediction.allCases.first(where: { $0.schedulerName == name }) else {
      preconditionFailure("a prediction named \(name)")
    }
    return prediction
  }

  private static func schedule(_ reader: SettingsReader, _ read: SchedulerClass) throws -> NoiseSchedule {
    let timesteps = try reader.value(
      "num_train_timesteps", default: 1000, in: 1...100_000, help: "diffusion timesteps T")
    let bounds = 0x1p-60...(1 - 0x1p-53)
    let start = try reader.value(
      "beta_start", default: read == .heun ? 0.00085 : 0.0001, in: bounds, help: "the first β")
    let end = try reader.value(
      "beta_end", default: read == .heun ? 0.012 : 0.02, in: bounds, help: "the last β")
    let kind = try reader.choice("beta_schedule", default: BetaSchedule.linear, help: "how β grows")
    let betas = try reader.value(
      "trained_betas", default: [Double](), in: 0x1p-60...1.0, count: 0...100_000, help: "the βs themselves")
    if !betas.isEmpty {
      // diffusers uses the list's length as the number of timesteps, and this number for the spacing: they must agree.
      guard betas.count == timesteps else {
        throw reader.invalid(
          "trained_betas", "has \(betas.count) values for num_train_timesteps: \(timesteps)")
      }
      guard betas.dropLast().allSatisfy({ $0 < 1 }) else {
        throw reader.invalid("trained_betas", "only the last value may be 1")
      }
      return NoiseSchedule(betas: betas)
    }
    guard kind == .cosineCapped || start <= end else {
      throw reader.invalid("beta_end", "is below beta_start: \(end) < \(start)")
    }
    switch kind {
    case .linear: return NoiseSchedule(.linear, timesteps: timesteps, betaStart: start, betaEnd: end)
    case .scaledLinear:
      return NoiseSchedule(.scaledLinear, timesteps: timesteps, betaStart: start, betaEnd: end)
    case .cosineCapped: return NoiseSchedule(.cosineCapped, timesteps: timesteps)
    case .sigmoid:
      guard read == .ddpm else {
        throw reader.invalid("beta_schedule", "\(read.rawValue) knows no sigmoid")
      }
      return NoiseSchedule(.sigmoid, timesteps: timesteps, betaStart: start, betaEnd: end)
    }
  }

  /// The sampler that was asked for, or else the one that the class stands for.
  private func readSampler(_ asked: SamplerKind?) throws -> SamplerKind {
    let named: SamplerKind =
      switch read {
      case .ddpm: .ddpm
      case .ddim, .pndm: .ddim
      case .euler: .euler
      case .eulerAncestral: .eulerAncestral
      case .heun: .heun
      case .unipc: .unipc
      case .dpmMultistep: try readAlgorithm(isUsed: asked == nil)
      }
    return asked ?? named
  }

  /// - Parameter isUsed: false if another sampler was asked for, so that the value does not matter.
  private func readAlgorithm(isUsed: Bool) throws -> SamplerKind {
    let name = try reader.value(
      "algorithm_type", default: "dpmsolver++", help: "whether noise is added on the way")
    switch name {
    case "sde-dpmsolver++": return .dpm2MSDE
    case _ where !isUsed: return .dpm2M
    case "dpmsolver++", "deis": return .dpm2M
    default:
      throw reader.invalid(
        "algorithm_type", "\(name) is not computed here, dpmsolver++ and sde-dpmsolver++ are")
    }
  }

  private mutating func readSigmas() throws {
    if has("use_karras_sigmas") {
      usesKarras = try reader.value(
        "use_karras_sigmas", default: false, help: "whether σ^(1/7) goes in equal steps")
    }
    for key in [
      "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas", "use_flow_sigmas",
      "use_dynamic_shifting",
    ] where has(key) {
      if try reader.value(key, default: false, help: "not computed here") {
        throw reader.invalid(key, "is not computed here: set it to false, or choose a spacing")
      }
    }
    try expect("interpolation_type", "linear")
    try expect("timestep_type", "discrete")
    if has("sigma_min") {
      sigmaMin = try reader.value(
        "sigma_min", as: Double.self, in: DiffusionSettings.sigmas,
        help: "the last σ of karras; null: of the first timestep")
      sigmaMax = try reader.value(
        "sigma_max", as: Double.self, in: DiffusionSettings.sigmas,
        help: "the first σ of karras; null: of the last timestep")
    }
    if has("final_sigmas_type") {
      finalSigma = try reader.choice(
        "final_sigmas_type", default: FinalSigma.zero, help: "where the last step leads")
    }
    if has("set_alpha_to_one") {
      setsAlphaToOne = try reader.value(
        "set_alpha_to_one", default: true, help: "whether the last step leads to the image itself")
    }
    if has("flow_shift") {
      _ = try reader.value("flow_shift", default: 1.0, help: "of use_flow_sigmas")
      try expect("time_shift_type", "exponential")
    }
    if has("shift_terminal") { try expectNone("shift_terminal") }
  }

  private mutating func readClipping() throws {
    if has("clip_sample") {
      let clips = try reader.value(
        "clip_sample", default: read != .heun, help: "whether x_0 is clipped at every step")
      let range = try reader.value(
        "clip_sample_range", default: 1.0, in: Above(0.0), help: "to which range")
      if clips { clipping = .fixed(range: range) }
    }
    if has("thresholding") {
      let isDynamic = try reader.value(
        "thresholding", default: false, help: "whether x_0 is thresholded dynamically")
      let ratio = try reader.value(
        "dynamic_thresholding_ratio", default: 0.995, in: 0.0...1.0, help: "the quantile of that")
      let maximum = try reader.value(
        "sample_max_value", default: 1.0, in: 1.0..., help: "the highest threshold")
      if isDynamic { clipping = .dynamic(ratio: ratio, maximum: maximum) }
    }
  }

  private mutating func readSolver() throws {
    if has("variance_type") { variance = try readVariance() }
    guard has("solver_order") else { return }
    solver.order = try reader.value("solver_order", default: 2, in: 1...2, help: "the solver's order")
    // If the value belongs to the other class, diffusers uses this class's own.
    let type = try reader.choice(
      "solver_type", among: ["midpoint", "heun", "logrho", "bh1", "bh2"],
      default: read == .unipc ? "bh2" : "midpoint", help: "which of the solver's formulas")
    if read == .unipc {
      solver.usesBH1 = type == "bh1"
    } else if type == "heun" {
      throw reader.invalid("solver_type", "heun is not computed here, midpoint is")
    }
    solver.lowerOrderFinal = try reader.value(
      "lower_order_final", default: true, help: "whether the last step has order 1")
    if read == .unipc {
      if try !reader.value("predict_x0", default: true, help: "whether the solver works on x_0") {
        throw reader.invalid("predict_x0", "false is not computed here")
      }
      try expectNone("solver_p")
      solver.uncorrected = Set(
        try reader.value(
          "disable_corrector", default: [Int](), in: 0..., help: "the steps after which nothing is corrected")
      )
    } else {
      solver.eulerAtFinal = try reader.value(
        "euler_at_final", default: false, help: "whether the last step has order 1 for any K")
      leastLogSNR = try reader.value(
        "lambda_min_clipped", default: ExtendedNumber(-.infinity), help: "the lowest λ that is visited"
      ).value
    }
  }

  private static let fixedVariances = ["fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log"]

  private func readVariance() throws -> ReverseVariance {
    guard read == .ddpm else {
      // DPM-Solver++ ignores learned variances, and has no use for fixed ones, which a DDPMScheduler's file names.
      let type = try reader.value("variance_type", as: String.self, help: "what the second outputs are")
      if ["learned", "learned_range"].contains(type) { return .learnedRange }
      guard type.map(Self.fixedVariances.contains) ?? true else {
        throw reader.invalid(
          "variance_type", "expected null, learned, learned_range or a fixed one, found \(type ?? "null")")
      }
      return .fixedSmall
    }
    let type = try reader.value(
      "variance_type", default: "fixed_small", help: "the noise of ancestral sampling")
    switch type {
    // The log variants denote the same variance; for `fixed_large_log`, diffusers takes the square root of a logarithm
    // and gets NaN
    // (https://github.com/huggingface/diffusers/issues/14569).
    case "fixed_small", "fixed_small_log": return .fixedSmall
    case "fixed_large", "fixed_large_log": return .fixedLarge
    case "learned_range": return .learnedRange
    default:
      throw reader.invalid(
        "variance_type", "\(type) is not computed here: fixed_small, fixed_large and learned_range are")
    }
  }

  private func expect(_ key: String, _ only: String) throws {
    guard has(key) else { return }
    let value = try reader.value(key, default: only, help: "\(only) alone is computed here")
    guard value == only else { throw reader.invalid(key, "\(value) is not computed here, \(only) is") }
  }

  private func expectNone(_ key: String) throws {
    let value = try reader.value(key, as: String.self, help: "not computed here")
    guard value == nil else { throw reader.invalid(key, "is not computed here: it must be null") }
  }
}
