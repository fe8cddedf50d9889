/// The supported scheduler classes of diffusers.
public enum SchedulerClass: String, CaseIterable, Sendable {
  case ddpm = "DDPMScheduler"
  case ddim = "DDIMScheduler"
  /// Treated as ddim.
  case pndm = "PNDMScheduler"
  case euler = "EulerDiscreteScheduler"
  case eulerAncestral = "EulerAncestralDiscreteScheduler"
  case heun = "HeunDiscreteScheduler"
  case dpmMultistep = "DPMSolverMultistepScheduler"
  case unipc = "UniPCMultistepScheduler"

  /// The class that corresponds to a sampler.
  public init(_ sampler: SamplerKind) { self = sampler.traits.schedulerClass }

  /// The keys of the class's configuration, as of diffusers 0.42.
  var keys: Set<String> {
    let own: Set<String> =
      switch self {
      case .ddpm: Self.clippingKeys.union(["variance_type", "rescale_betas_zero_snr"])
      case .ddim: Self.clippingKeys.union(["set_alpha_to_one", "rescale_betas_zero_snr"])
      case .pndm: ["skip_prk_steps", "set_alpha_to_one"]
      case .euler:
        Self.sigmaKeys.union([
          "interpolation_type", "timestep_type", "sigma_min", "sigma_max", "rescale_betas_zero_snr",
          "final_sigmas_type",
        ])
      case .eulerAncestral: ["rescale_betas_zero_snr"]
      case .heun: Self.sigmaKeys.union(["clip_sample", "clip_sample_range"])
      case .dpmMultistep:
        Self.sigmaKeys.union(Self.solverKeys).union([
          "algorithm_type", "euler_at_final", "use_lu_lambdas", "lambda_min_clipped", "variance_type",
        ])
      case .unipc:
        Self.sigmaKeys.union(Self.solverKeys).union([
          "predict_x0", "disable_corrector", "solver_p", "sigma_min", "sigma_max", "shift_terminal",
        ])
      }
    return Self.sharedKeys.union(own)
  }

  /// The keys of all classes: a configuration may contain keys of the class that it was originally written for.
  static let allKeys = Self.allCases.reduce(into: Set<String>()) { $0.formUnion($1.keys) }

  private static let sharedKeys: Set = [
    "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "prediction_type",
    "timestep_spacing", "steps_offset",
  ]
  private static let clippingKeys: Set = [
    "clip_sample", "clip_sample_range", "thresholding", "dynamic_thresholding_ratio", "sample_max_value",
  ]
  private static let sigmaKeys: Set = ["use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"]
  private static let solverKeys: Set = [
    "solver_order", "thresholding", "dynamic_thresholding_ratio", "sample_max_value", "solver_type",
    "lower_order_final", "use_flow_sigmas", "flow_shift", "final_sigmas_type", "rescale_betas_zero_snr",
    "use_dynamic_shifting", "time_shift_type",
  ]
}
