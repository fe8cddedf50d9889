import Diffusion
import Settings
import Testing

@Suite struct SchedulerConfigurationTests {
  private func read(_ json: String, sampler: SamplerKind? = nil) throws -> SchedulerConfiguration {
    try SchedulerConfiguration(json: json, source: "scheduler_config.json", sampler: sampler)
  }

  private func plan(_ json: String, _ change: (inout SamplingOptions) -> Void = { _ in }) throws
    -> SamplingPlan
  {
    let scheduler = try read(json)
    var options = SamplingOptions(steps: 10)
    change(&options)
    return try SamplingPlan(process: DDPMProcess(scheduler), options: options, scheduler: scheduler)
  }

  /// Stable Diffusion 1's own, as it is distributed.
  private static let pndm = """
    {
      "_class_name": "PNDMScheduler",
      "_diffusers_version": "0.7.0.dev0",
      "beta_end": 0.012,
      "beta_schedule": "scaled_linear",
      "beta_start": 0.00085,
      "clip_sample": false,
      "num_train_timesteps": 1000,
      "set_alpha_to_one": false,
      "skip_prk_steps": true,
      "steps_offset": 1,
      "trained_betas": null
    }
    """

  @Test func pndmIsTakenAsDDIM() throws {
    let scheduler = try read(Self.pndm)
    #expect(scheduler.sampler == .ddim && scheduler.note?.contains("taken as ddim") == true)
    #expect(scheduler.schedule == NoiseSchedule(.scaledLinear, timesteps: 1000))
    let plan = try plan(Self.pndm)
    // Leading, with the offset; the last step leads to ᾱ_0.
    #expect(plan.path.points.map(\.timestep) == stride(from: 901.0, through: 1, by: -100).map { $0 })
    #expect(abs(plan.path.end.noise - scheduler.schedule.sigma(0) * plan.path.end.signal) < 1e-12)
    #expect(plan.clipping == .none)
  }

  /// Absent keys have the defaults of the class that the sampler stands for, whatever class the file names.
  @Test func samplersReadTheFileAsTheirClass() throws {
    let pndm = try read(Self.pndm)
    let euler = try pndm.read(for: .euler)
    #expect(euler.schedulerClass == .euler && euler.note == nil)
    func points(_ sampler: SamplerKind) throws -> SamplingPath {
      try SamplingPlan(
        process: DDPMProcess(pndm), options: SamplingOptions(sampler: sampler, steps: 10), scheduler: pndm
      ).path
    }
    // Linspace of 10 points, and of 11 without the last.
    #expect(try points(.euler).points.map(\.timestep) == (0..<10).map { 999 - 111 * Double($0) })
    #expect(
      try points(.unipc).points.map(\.timestep) == [999, 899, 799, 699, 599, 500, 400, 300, 200, 100])
    #expect(try points(.ddim).points.first?.timestep == 901)
    #expect(try points(.dpm2MSDE).startScale == 1)
    #expect(abs(try points(.euler).startScale - pndm.schedule.sigma(999)) < 1e-9)
    #expect(try read(#"{"_class_name": "HeunDiscreteScheduler"}"#).schedule.betas[0] == 0.00085)
    #expect(try read("{}", sampler: .ddim).sampler == .ddim)
    // UniPC's solver has no meaning for DPM-Solver++, and the other way round.
    let unipc = try read(#"{"_class_name": "UniPCMultistepScheduler", "solver_type": "bh2"}"#)
    #expect(try unipc.read(for: .dpm2M).sampler == .dpm2M)
    let sde = #"{"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++"}"#
    #expect(try read(sde).sampler == .dpm2MSDE && read(sde).read(for: .dpm2M).sampler == .dpm2M)
    let old = #"{"_class_name": "LMSDiscreteScheduler", "beta_end": 0.012}"#
    #expect(try read(old, sampler: .ddim).schedule.betas.last == 0.012)
  }

  /// karras goes from the σ of T-1 to that of 0; --spacing takes the place of the file's.
  @Test func spacings() throws {
    let json = #"{"_class_name": "EulerDiscreteScheduler", "use_karras_sigmas": true}"#
    let karras = try plan(json)
    let schedule = try read(json).schedule
    #expect(karras.path.points.first?.timestep == 999 && karras.path.points.last?.timestep == 0)
    #expect(karras.path.points.last?.noise == schedule.sigma(0))
    let roots = karras.path.points.map { $0.noise.squareRoot().squareRoot() }
    #expect(zip(roots, roots.dropFirst()).allSatisfy { $0 > $1 })
    #expect(try plan(json) { $0.spacing = .trailing }.path.points[1].timestep == 899)
    #expect(
      try plan(#"{"_class_name": "EulerDiscreteScheduler"}"#) { $0.spacing = .karras }.path == karras.path)
    let leading = try plan(json) { $0.spacing = .leading }
    let sigma = schedule.sigma(900)
    #expect(abs(leading.path.startScale - (sigma * sigma + 1).squareRoot()) < 1e-9)
  }

  /// A path whose last step lowers the order, or does not begin where it should, is an error.
  @Test func pastTheEnd() {
    let error = #expect(throws: SamplingError.self) { try plan(Self.pndm) { $0.steps = 1000 } }
    #expect(error?.description.contains("begin at timestep 1000, and the last is 999") == true)
  }

  @Test(arguments: [
    (#"{"_class_name": "LMSDiscreteScheduler"}"#, "_class_name", "--sampler"),
    (#"{"beta_end": 0.012}"#, "_class_name", "is missing"),
    (#"{"_class_name": "DDIMScheduler", "beta_schedul": "linear"}"#, "beta_schedul", "unknown key"),
    (#"{"_class_name": "DDIMScheduler", "beta_schedule": "laplace"}"#, "beta_schedule", "one of"),
    (
      #"{"_class_name": "EulerDiscreteScheduler", "use_beta_sigmas": true}"#, "use_beta_sigmas",
      "not computed"
    ),
    (
      #"{"_class_name": "EulerDiscreteScheduler", "timestep_type": "continuous"}"#, "timestep_type",
      "discrete is"
    ),
    (
      #"{"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver"}"#, "algorithm_type",
      "not"
    ),
    (#"{"_class_name": "DPMSolverMultistepScheduler", "solver_order": 3}"#, "solver_order", "from 1 to 2"),
    (#"{"_class_name": "DPMSolverMultistepScheduler", "solver_type": "heun"}"#, "solver_type", "midpoint is"),
    (#"{"_class_name": "UniPCMultistepScheduler", "predict_x0": false}"#, "predict_x0", "not computed"),
    (#"{"_class_name": "DDPMScheduler", "variance_type": "learned"}"#, "variance_type", "learned_range are"),
    (#"{"_class_name": "DDIMScheduler", "prediction_type": "flow_prediction"}"#, "prediction_type", "one of"),
    (#"{"_class_name": "DDIMScheduler", "rescale_betas_zero_snr": true}"#, "prediction_type", "v_prediction"),
    (#"{"_class_name": "DDIMScheduler", "trained_betas": [0.1, 0.2]}"#, "trained_betas", "2 values"),
    (#"{"_class_name": "DDIMScheduler", "beta_start": 0.5}"#, "beta_end", "below beta_start"),
  ]) func whatIsNotComputedIsNamed(json: String, key: String, message: String) {
    let error = #expect(throws: SettingsError.self) { try read(json) }
    #expect(error?.problems.first?.path == key)
    #expect(error?.problems.first?.message.contains(message) == true, "\(String(describing: error))")
  }

  /// What a run trains with comes back from the file that it writes, whichever class is asked for.
  @Test(
    arguments: NoiseSchedule.Kind.allCases,
    [SamplerKind.ddpm, .ddim, .euler, .heun, .dpm2MSDE, .unipc])
  func processesComeBack(kind: NoiseSchedule.Kind, sampler: SamplerKind) throws {
    for (isRescaled, prediction) in [(false, Prediction.epsilon), (true, .v)]
    where !(isRescaled && sampler == .heun) {
      let schedule = NoiseSchedule(kind, timesteps: 50)
      let process = DDPMProcess(
        schedule: isRescaled ? schedule.rescaledToZeroTerminalSNR() : schedule, prediction: prediction,
        variance: sampler == .ddpm ? .learnedRange : .fixedSmall)
      let written = try SchedulerConfiguration(of: process, sampler: sampler)
      #expect(written.sampler == sampler)
      let back = DDPMProcess(try read(written.json()))
      #expect(back.prediction == prediction && back.variance == process.variance)
      let differences = zip(back.schedule.cumulativeAlphas, process.schedule.cumulativeAlphas)
        .map { abs($0 - $1) / max($1, 1e-12) }
      #expect(differences.allSatisfy { $0 < 1e-9 }, "\(kind.rawValue)")
      let plan = try SamplingPlan(
        process: back, options: SamplingOptions(steps: 7), scheduler: read(written.json()))
      #expect(plan.path.points[0].timestep == 49 && plan.clipping == .none)
    }
  }

  @Test func heunKnowsNoZeroTerminalSNR() {
    let process = DDPMProcess(
      schedule: NoiseSchedule(.linear, timesteps: 50).rescaledToZeroTerminalSNR(), prediction: .v)
    #expect(throws: SettingsError.self) { try SchedulerConfiguration(of: process, sampler: .heun) }
  }
}
