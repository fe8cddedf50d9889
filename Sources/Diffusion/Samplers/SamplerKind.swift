/// The samplers, by their names in commands and configurations.
public enum SamplerKind: String, CaseIterable, Sendable {
  /// Ancestral sampling (Ho et al., 2020, algorithm 2).
  case ddpm
  /// Song et al., 2021, "Denoising Diffusion Implicit Models", equation 12.
  case ddim
  /// Euler's method in σ (Karras et al., 2022, algorithm 2 without the correction).
  case euler
  /// Euler's method to a lower σ, then fresh noise up to the next one (k-diffusion's `sample_euler_ancestral`).
  case eulerAncestral = "euler-ancestral"
  /// Heun's method with churn (Karras et al., 2022, algorithm 2).
  case heun
  /// DPM-Solver++(2M) (Lu et al., 2022, algorithm 2).
  case dpm2M = "dpm++-2m"
  /// SDE-DPM-Solver++(2M) (Lu et al., 2022, appendix A).
  case dpm2MSDE = "dpm++-2m-sde"
  /// UniPC-2 with B(h) = e^h - 1 (Zhao et al., 2023, algorithms 5 and 6).
  case unipc

  var traits: SamplerTraits {
    switch self {
    case .ddpm: SamplerTraits(levels: .trained, processes: [.ddpm], schedulerClass: .ddpm)
    case .ddim: SamplerTraits(levels: .trained, processes: [.ddpm], schedulerClass: .ddim, hasEta: true)
    case .euler:
      SamplerTraits(
        levels: .anySigma, processes: [.ddpm, .edm, .flow], schedulerClass: .euler, hasChurn: true)
    case .eulerAncestral:
      SamplerTraits(levels: .anySigma, processes: [.ddpm, .edm], schedulerClass: .eulerAncestral)
    case .heun:
      SamplerTraits(
        levels: .anySigma, processes: [.ddpm, .edm, .flow], schedulerClass: .heun, hasChurn: true)
    case .dpm2M, .dpm2MSDE:
      SamplerTraits(levels: .wholeTimesteps, processes: [.ddpm, .edm], schedulerClass: .dpmMultistep)
    case .unipc: SamplerTraits(levels: .wholeTimesteps, processes: [.ddpm, .edm], schedulerClass: .unipc)
    }
  }

  /// The sampler at the start of a path.
  func sampler(
    on path: SamplingPath, of process: any DiffusionProcess, _ options: SamplingOptions,
    _ solver: SolverOptions, _ clipping: Clipping
  ) -> any Sampler {
    switch self {
    case .ddpm:
      guard let process = process as? DDPMProcess else {
        preconditionFailure("ancestral sampling of the process \(process.kind.rawValue)")
      }
      return DDPMSampler(
        path, variance: process.variance, readsNoise: process.prediction == .epsilon && clipping == .none)
    case .ddim: return DDIMSampler(path, eta: options.eta)
    case .euler: return EulerSampler(path, churn: options.churn)
    case .eulerAncestral: return EulerAncestralSampler(path)
    case .heun: return HeunSampler(path, churn: options.churn)
    case .dpm2M: return DPMSolverSampler(path, isStochastic: false, options: solver)
    case .dpm2MSDE: return DPMSolverSampler(path, isStochastic: true, options: solver)
    case .unipc: return UniPCSampler(path, options: solver)
    }
  }

  static var names: String { list(allCases) }

  static func list(_ samplers: [SamplerKind]) -> String {
    samplers.map(\.rawValue).joined(separator: ", ")
  }
}

/// How the steps of a path are spread over the noise levels.
public enum Spacing: String, CaseIterable, Sendable {
  /// Every (T / K)-th timestep from 0 up; does not start at the last timestep.
  case leading
  /// Every (T / K)-th timestep from the last down.
  case trailing
  /// From the last timestep to 0 in equal steps.
  case linspace
  /// σ^(1/7) in equal steps (Karras et al., 2022, equation 5).
  case karras
}
