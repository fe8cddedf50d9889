import Foundation

extension DDPMProcess {
  /// The path over discrete timesteps, as laid out by the sampler's diffusers class, with these exceptions: the
  /// previous timestep is always the next in the list (https://github.com/huggingface/diffusers/issues/12633); karras
  /// goes from the σ of T-1 to that of 0, and rounded timesteps that coincide are repeated
  /// (https://github.com/huggingface/diffusers/issues/12771).
  public func path(
    for sampler: SamplerKind, _ options: SamplingOptions, _ scheduler: SchedulerConfiguration?
  ) throws -> SamplingPath {
    let isOwn = scheduler == nil
    let scheduler = try scheduler ?? SchedulerConfiguration(of: self)
    let steps = options.steps ?? (sampler == .ddpm ? schedule.timesteps : min(50, schedule.timesteps))
    guard (1...schedule.timesteps).contains(steps) else {
      throw SamplingError("\(steps) steps are not in 1...\(schedule.timesteps), the timesteps of the model")
    }
    if isOwn, sampler == .ddpm, options.spacing == nil { return evenPath(steps) }
    let usesKarras = options.spacing == .karras || options.spacing == nil && scheduler.usesKarras
    let asked = options.spacing.flatMap { TimestepSpacing(rawValue: $0.rawValue) }
    let spacing = asked ?? scheduler.spacing
    if sampler.traits.levels == .trained {
      if usesKarras { return karrasPath(sampler, steps, scheduler, in: .variancePreserving) }
      return try trainedPath(sampler, steps, spacing, scheduler)
    }
    let coordinates: Coordinates = sampler.traits.levels == .anySigma ? .wholeImage : .variancePreserving
    var path =
      usesKarras
      ? karrasPath(sampler, steps, scheduler, in: coordinates)
      : try sigmaPath(sampler, steps, spacing, scheduler, in: coordinates)
    if coordinates == .wholeImage {
      // diffusers' init_noise_sigma.
      let most = path.points[0].noise
      path.startScale = spacing == .leading ? (most * most + 1).squareRoot() : most
    }
    try checkDecreasing(path, steps, sampler)
    return path
  }

  /// The scale of a sampler's x.
  private enum Coordinates {
    /// x_t itself: α = 1 / sqrt(σ² + 1).
    case variancePreserving
    /// x_t / sqrt(ᾱ_t), in which the image has the factor 1.
    case wholeImage

    func callAsFunction(_ timestep: Double, _ sigma: Double) -> PathPoint {
      switch self {
      case .variancePreserving:
        let signal = 1 / (sigma * sigma + 1).squareRoot()
        return PathPoint(timestep: timestep, signal: signal, noise: sigma * signal)
      case .wholeImage: return PathPoint(timestep: timestep, signal: 1, noise: sigma)
      }
    }
  }

  /// Evenly spread from the last timestep down, as by ``NoiseSchedule/respaced(to:)``.
  private func evenPath(_ steps: Int) -> SamplingPath {
    let respaced = schedule.respaced(to: steps)
    return SamplingPath(
      points: (0..<steps).reversed().map { t in
        let alpha = respaced.cumulativeAlphas[t]
        return PathPoint(
          timestep: Double(respaced.modelTimesteps[t]), signal: alpha.squareRoot(),
          noise: (1 - alpha).squareRoot())
      }, end: .image, startScale: 1, betas: respaced.betas.reversed())
  }

  /// For samplers that look up ᾱ: integer timesteps only.
  private func trainedPath(
    _ sampler: SamplerKind, _ steps: Int, _ spacing: TimestepSpacing, _ scheduler: SchedulerConfiguration
  ) throws -> SamplingPath {
    let list = try DiscreteTimesteps(
      spacing, for: sampler, steps: steps, timesteps: schedule.timesteps, last: schedule.timesteps,
      offset: scheduler.stepsOffset
    ).values.map { Int($0) }
    let alphas = list.map { schedule.cumulativeAlphas[$0] }
    var path = SamplingPath(
      points: zip(list, alphas).map { t, alpha in
        PathPoint(timestep: Double(t), signal: alpha.squareRoot(), noise: (1 - alpha).squareRoot())
      }, end: end(sampler, scheduler), startScale: 1)
    if steps == schedule.timesteps {
      path.betas = schedule.betas.reversed()
    } else {
      path.betas = alphas.indices.map { 1 - alphas[$0] / ($0 + 1 < alphas.count ? alphas[$0 + 1] : 1) }
    }
    return path
  }

  private func end(_ sampler: SamplerKind, _ scheduler: SchedulerConfiguration) -> PathPoint {
    guard sampler == .ddim, !scheduler.setsAlphaToOne else { return .image }
    let alpha = schedule.cumulativeAlphas[0]
    return PathPoint(timestep: 0, signal: alpha.squareRoot(), noise: (1 - alpha).squareRoot())
  }

  private func sigmaPath(
    _ sampler: SamplerKind, _ steps: Int, _ spacing: TimestepSpacing, _ scheduler: SchedulerConfiguration,
    in coordinates: Coordinates
  ) throws -> SamplingPath {
    let table = SigmaTable(schedule)
    let leftOut = schedule.cumulativeAlphas.indices.filter { -log(table.sigmas[$0]) < scheduler.leastLogSNR }
    guard leftOut.count < schedule.timesteps else {
      throw SamplingError("lambda_min_clipped \(scheduler.leastLogSNR) leaves no timestep")
    }
    let list = try DiscreteTimesteps(
      spacing, for: sampler, steps: steps, timesteps: schedule.timesteps,
      last: schedule.timesteps - leftOut.count, offset: scheduler.stepsOffset
    ).values
    return SamplingPath(
      points: list.map { coordinates($0, table.sigma(at: $0)) },
      end: scheduler.finalSigma == .zero ? .image : coordinates(0, table.sigmas[0]), startScale: 1,
      raised: raising(table))
  }

  private func karrasPath(
    _ sampler: SamplerKind, _ steps: Int, _ scheduler: SchedulerConfiguration, in coordinates: Coordinates
  ) -> SamplingPath {
    let table = SigmaTable(schedule)
    let sigmas = karrasSigmas(
      from: scheduler.sigmaMax ?? table.sigmas[schedule.timesteps - 1],
      to: scheduler.sigmaMin ?? table.sigmas[0], steps: steps)
    let isFractional = sampler.traits.levels == .anySigma
    let points = sigmas.map { sigma in
      let t = table.timestep(of: sigma)
      return coordinates(isFractional ? t : t.rounded(.toNearestOrEven), sigma)
    }
    let isTrained = sampler.traits.levels == .trained
    let alphas = points.map { $0.signal * $0.signal } + [1]
    return SamplingPath(
      points: points,
      end: isTrained
        ? end(sampler, scheduler) : scheduler.finalSigma == .zero ? .image : coordinates(0, table.sigmas[0]),
      startScale: 1, betas: sampler == .ddpm ? points.indices.map { 1 - alphas[$0] / alphas[$0 + 1] } : [],
      raised: raising(table))
  }

  private func raising(_ table: SigmaTable) -> @Sendable (PathPoint, Double) -> PathPoint {
    { PathPoint(timestep: table.timestep(of: $1), signal: $0.signal, noise: $1) }
  }

  /// Throws unless noise levels decrease strictly: solvers divide by the step length.
  private func checkDecreasing(_ path: SamplingPath, _ steps: Int, _ sampler: SamplerKind) throws {
    for (point, next) in zip(path.points, path.points.dropFirst()) where point.noise <= next.noise {
      throw SamplingError(
        "\(steps) steps of \(sampler.rawValue) over \(schedule.timesteps) timesteps visit timestep "
          + "\(next.timestep) twice: take fewer steps, or another spacing")
    }
  }
}
