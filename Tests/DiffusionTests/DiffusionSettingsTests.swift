import Diffusion
import Settings
import Testing

@Suite struct DiffusionSettingsTests {
  private func process(_ yaml: String) throws -> any DiffusionProcess {
    let reader = try SettingsReader(SettingsNode(yaml: yaml, source: "test.yaml"), path: "diffusion")
    let process = try DiffusionSettings.process(reader)
    try reader.finish()
    return process
  }

  @Test func ddpm() throws {
    let usual = try #require(try process("") as? DDPMProcess)
    #expect(usual.schedule == NoiseSchedule(.linear, timesteps: 300))
    #expect(usual.prediction == .epsilon && usual.loss == .huber && usual.variance == .fixedSmall)
    #expect(usual.weighting == .uniform && usual.offsetNoise == 0 && usual.outputsPerChannel == 1)
    let other = try #require(
      try process(
        """
        {timesteps: 1000, schedule: scaled-linear, beta_end: 0.013, prediction: v, variance: learned-range,
         bound_weight: 0.01, loss: l2, weighting: min-snr, min_snr_gamma: 3, zero_terminal_snr: true,
         offset_noise: 0.1, process: ddpm}
        """) as? DDPMProcess)
    #expect(
      other.schedule
        == NoiseSchedule(.scaledLinear, timesteps: 1000, betaEnd: 0.013).rescaledToZeroTerminalSNR())
    #expect(other.prediction == .v && other.loss == .l2 && other.weighting == .minSNR(gamma: 3))
    #expect(other.outputsPerChannel == 2 && other.boundWeight == 0.01 && other.offsetNoise == 0.1)
  }

  @Test func continuousProcesses() throws {
    let edm = try #require(
      try process("{process: edm, sigma_data: 0.6, p_mean: -1, sigma_max: 40}") as? EDMProcess)
    #expect(edm.sigmaData == 0.6 && edm.logMean == -1 && edm.logDeviation == 1.2 && edm.loss == .l2)
    #expect(edm.sigmaMin == 0.002 && edm.sigmaMax == 40)
    let flow = try #require(
      try process("{process: flow, time_distribution: logit-normal, logit_mean: 0.5, shift: 3}")
        as? FlowProcess)
    #expect(flow.times == .logitNormal(mean: 0.5, deviation: 1) && flow.shift == 3 && flow.timesteps == 1000)
  }

  /// What a run writes of its configuration, defaults filled in, reads back.
  @Test(arguments: [
    "", "{variance: learned-range, weighting: min-snr, schedule: cosine}", "process: edm", "process: flow",
    "{process: flow, time_distribution: logit-normal}",
  ]) func resolvedSettingsReadBack(yaml: String) throws {
    let first = try SettingsReader(SettingsNode(yaml: yaml, source: "test.yaml"), path: "diffusion")
    _ = try DiffusionSettings.process(first)
    let second = try SettingsReader(first.resolved, path: "diffusion")
    _ = try DiffusionSettings.process(second)
    try second.finish()
    #expect(second.resolved == first.resolved)
    let sampling = try SettingsReader(.empty, path: "sampling")
    let options = try SamplingOptions(sampling)
    #expect(try SamplingOptions(SettingsReader(sampling.resolved, path: "sampling")) == options)
  }

  /// Each names its key, and says why.
  @Test(arguments: [
    ("timesteps: 0", "timesteps", "1 to"), ("schedule: linaer", "schedule", "one of"),
    ("loss: l3", "loss", "one of"), ("objective: epsilon", "objective", "called prediction"),
    ("steps: 3", "steps", "unknown key"), ("prediction: x", "prediction", "one of"),
    ("{schedule: cosine, beta_start: 0.1}", "beta_start", "takes none"),
    ("{beta_start: 0.5}", "beta_start", "above beta_end"),
    ("{beta_start: 0.5, beta_end: 0.4}", "beta_end", "above beta_end"),
    ("zero_terminal_snr: true", "zero_terminal_snr", "needs prediction v or sample"),
    ("{zero_terminal_snr: true, prediction: v, timesteps: 1}", "zero_terminal_snr", "two timesteps"),
    ("min_snr_gamma: 3", "min_snr_gamma", "weighting is uniform"),
    ("bound_weight: 0.1", "bound_weight", "variance is fixed-small"),
    ("{process: edm, prediction: v}", "prediction", "belongs to the process ddpm"),
    ("{process: edm, timesteps: 10}", "timesteps", "belongs to the process ddpm or flow"),
    ("{process: flow, weighting: min-snr}", "weighting", "this is flow"),
    ("shift: 2", "shift", "this is ddpm"),
    ("{process: edm, sigma_min: 90}", "sigma_min", "below sigma_max"),
    ("{process: edm, sigma_data: 1.0e+155}", "sigma_data", "from 1e-12 to 1000000000000.0"),
    ("{process: edm, sigma_max: 1.0e+155}", "sigma_max", "from 1e-12 to 1000000000000.0"),
    ("{process: flow, logit_std: 2}", "logit_std", "that is uniform"),
  ]) func wrongSettings(yaml: String, key: String, message: String) {
    let error = #expect(throws: SettingsError.self) { try process(yaml) }
    #expect(error?.problems.first?.path == "diffusion.\(key)")
    #expect(error?.problems.first?.message.contains(message) == true, "\(String(describing: error))")
  }

  private func options(_ yaml: String) throws -> SamplingOptions {
    let reader = try SettingsReader(SettingsNode(yaml: yaml, source: "test.yaml"), path: "sampling")
    let options = try SamplingOptions(reader)
    try reader.finish()
    return options
  }

  @Test func sampling() throws {
    #expect(try options("") == SamplingOptions())
    let all = try options(
      """
      {sampler: heun, steps: 30, spacing: karras, guidance: 7.5, guidance_interval: [0.2, 5],
       guidance_rescale: 0.7, clip: dynamic, clip_ratio: 0.99, s_churn: 40, s_tmin: 0.05, s_tmax: 50, s_noise: 1.003}
      """)
    #expect(all.sampler == .heun && all.steps == 30 && all.spacing == .karras && all.clip == .dynamic)
    #expect(all.guidance == Guidance(scale: 7.5, interval: 0.2...5, rescale: 0.7) && all.clipRatio == 0.99)
    #expect(all.churn == Churn(amount: 40, least: 0.05, most: 50, deviation: 1.003))
    #expect(try options("{sampler: ddim, eta: 0.5, clip: true, clip_range: 2}").clipRange == 2)
    #expect(try options("clip: false").clip == .off)
    #expect(try options("sampler: dpm++-2m-sde").sampler == .dpm2MSDE)
  }

  @Test(arguments: [
    ("sampler: dmp", "sampler"), ("steps: 0", "steps"), ("spacing: even", "spacing"),
    ("{sampler: euler, eta: 0.5}", "eta"), ("{sampler: unipc, s_churn: 1}", "s_churn"),
    ("guidance_interval: [1]", "guidance_interval"), ("guidance_interval: [2, 1]", "guidance_interval"),
    ("clip: maybe", "clip"), ("clip_range: 2", "clip_range"), ("{clip: true, clip_ratio: 0.9}", "clip_ratio"),
    ("guidance_rescale: 2", "guidance_rescale"),
  ]) func wrongSamplingSettings(yaml: String, key: String) {
    let error = #expect(throws: SettingsError.self) { try options(yaml) }
    #expect(error?.problems.first?.path == "sampling.\(key)")
  }

  private func refuses(
    _ process: any DiffusionProcess, _ fragment: String, _ change: (inout SamplingOptions) -> Void
  ) {
    var options = SamplingOptions()
    change(&options)
    let error = #expect(throws: SamplingError.self) { try SamplingPlan(process: process, options: options) }
    #expect(error?.description.contains(fragment) == true, "\(String(describing: error))")
  }

  /// What does not go together says what would.
  @Test func whatCannotBeSampled() {
    let ddpm = DDPMProcess(schedule: NoiseSchedule(.linear, timesteps: 20))
    refuses(EDMProcess(), "edm cannot be sampled with ddim; it knows heun, euler, euler-ancestral, dpm++-2m")
    {
      $0.sampler = .ddim
    }
    refuses(FlowProcess(), "flow cannot be sampled with unipc; it knows euler, heun") { $0.sampler = .unipc }
    refuses(EDMProcess(), "its spacing is karras") { $0.spacing = .leading }
    refuses(FlowProcess(), "its spacing is trailing") { $0.spacing = .karras }
    refuses(FlowProcess(), "s_churn") { $0.churn.amount = 3 }
    refuses(ddpm, "21 steps are not in 1...20") { $0.steps = 21 }
    refuses(ddpm, "eta is ddim's") { $0.eta = 1 }
    refuses(ddpm, "too many for dpm++-2m") { ($0.sampler, $0.steps, $0.spacing) = (.dpm2M, 20, .leading) }
    refuses(ddpm, "twice: take fewer steps") { ($0.sampler, $0.steps, $0.spacing) = (.unipc, 20, .linspace) }
  }
}
