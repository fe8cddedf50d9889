import Foundation

extension EDMProcess {
  /// From `sigmaMax` to `sigmaMin` by equation 5 of Karras et al. (2022), then to 0; 18 steps by default.
  public func path(
    for sampler: SamplerKind, _ options: SamplingOptions, _ scheduler: SchedulerConfiguration?
  ) throws -> SamplingPath {
    guard options.spacing ?? .karras == .karras else {
      throw SamplingError(
        "the process edm has no discrete timesteps: its spacing is karras, not \(options.spacing?.rawValue ?? "")"
      )
    }
    let process = self
    func point(_ sigma: Double) -> PathPoint {
      PathPoint(timestep: timestep(sigma), signal: 1, noise: sigma)
    }
    let sigmas = karrasSigmas(from: sigmaMax, to: sigmaMin, steps: options.steps ?? 18)
    return SamplingPath(
      points: sigmas.map(point), end: .image, startScale: sigmaMax,
      raised: { PathPoint(timestep: process.timestep($1), signal: 1, noise: $1) })
  }
}

extension FlowProcess {
  /// t = 1, 1 - 1/K, ... 1/K, shifted, then 0; 50 steps by default.
  public func path(
    for sampler: SamplerKind, _ options: SamplingOptions, _ scheduler: SchedulerConfiguration?
  ) throws -> SamplingPath {
    guard options.spacing ?? .trailing == .trailing else {
      throw SamplingError(
        "the process flow goes from t = 1 to 0 in equal steps: its spacing is trailing, not "
          + (options.spacing?.rawValue ?? ""))
    }
    let steps = options.steps ?? 50
    return SamplingPath(
      points: (0..<steps).map { step in
        let t = shifted(1 - Double(step) / Double(steps))
        return PathPoint(timestep: t * Double(timesteps), signal: 1 - t, noise: t)
      }, end: .image, startScale: 1)
  }
}
