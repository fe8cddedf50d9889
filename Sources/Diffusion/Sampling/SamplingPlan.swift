/// How images are sampled from a process: options, scheduler and process combined and checked for consistency.
public struct SamplingPlan: Sendable {
  public let process: any DiffusionProcess
  public let sampler: SamplerKind
  public let path: SamplingPath
  public let guidance: Guidance
  public let clipping: Clipping
  /// The network evaluations for each image; guided ones are counted once.
  public let evaluations: [Evaluation]

  private let options: SamplingOptions
  private let solver: SolverOptions

  /// - Parameters:
  ///   - scheduler: the configuration from the folder that the network comes from, read for the sampler; nil for the
  ///     process's own.
  /// - Throws: ``SamplingError`` describing the inconsistency; `SettingsError` for the scheduler's configuration.
  public init(
    process: any DiffusionProcess, options: SamplingOptions = SamplingOptions(),
    scheduler: SchedulerConfiguration? = nil
  ) throws {
    let sampler = options.sampler ?? scheduler?.sampler ?? process.samplers[0]
    guard process.samplers.contains(sampler) else {
      throw SamplingError(
        "the process \(process.kind.rawValue) cannot be sampled with \(sampler.rawValue); it knows "
          + SamplerKind.list(process.samplers))
    }
    try options.checkAgainst(sampler) { SamplingError("sampling.\($0) \($1)") }
    if options.churn.amount > 0, process.kind == .flow {
      throw SamplingError("sampling.s_churn adds noise at a noise level, which the process flow has none of")
    }
    let scheduler = try scheduler.map { $0.sampler == sampler ? $0 : try $0.read(for: sampler) }
    self.process = process
    self.sampler = sampler
    self.options = options
    guidance = options.guidance
    clipping = Self.clipping(options, scheduler)
    solver = scheduler?.solver ?? SolverOptions()
    path = try process.path(for: sampler, options, scheduler)
    evaluations = sampler.sampler(on: path, of: process, options, solver, clipping).evaluations
    for evaluation in evaluations {
      precondition(
        process.readout(at: evaluation.point).isDefined, "nothing can be read at \(evaluation.point)")
    }
  }

  /// K.
  public var steps: Int { path.points.count }

  /// A sampler in its initial state, for one batch of images.
  func makeSampler() -> any Sampler {
    sampler.sampler(on: path, of: process, options, solver, clipping)
  }

  private static func clipping(_ options: SamplingOptions, _ scheduler: SchedulerConfiguration?) -> Clipping {
    let own = scheduler?.clipping ?? .none
    switch options.clip {
    case nil: return own
    case .off: return .none
    case .on:
      if let range = options.clipRange { return .fixed(range: range) }
      if case .fixed = own { return own }
      return .fixed(range: 1)
    case .dynamic:
      if case .dynamic(let ratio, let maximum) = own {
        return .dynamic(ratio: options.clipRatio ?? ratio, maximum: maximum)
      }
      return .dynamic(ratio: options.clipRatio ?? 0.995, maximum: .infinity)
    }
  }
}
