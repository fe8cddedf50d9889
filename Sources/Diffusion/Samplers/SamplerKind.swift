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
