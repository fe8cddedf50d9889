extension NoiseSchedule {
  /// sqrt(ᾱ_T): the amplitude of the image left at the last timestep.
  ///
  /// Sampling starts from pure noise, which the network has never seen at that timestep unless this is 0. The effect
  /// shows in the mean brightness, which cannot move far from grey (Lin et al., 2024, section 3.1).
  public var remainingSignal: Double { (cumulativeAlphas.last ?? 0).squareRoot() }

  /// The ``remainingSignal`` above which a run gets a warning. DDPM's own schedule, linear over 1000 timesteps, has
  /// 0.006, which is acceptable; Stable Diffusion's has 0.068.
  public static let noticeableSignal = 0.01

  /// The schedule with sqrt(ᾱ) shifted and scaled so that it ends at 0 and starts at the same value as before (Lin et
  /// al., 2024, "Common Diffusion Noise Schedules and Sample Steps are Flawed", algorithm 1).
  ///
  /// T must be at least 2. At the last timestep, only v and sample predictions are defined.
  public func rescaledToZeroTerminalSNR() -> NoiseSchedule {
    precondition(timesteps >= 2, "one timestep cannot both begin and end the schedule")
    let roots = cumulativeAlphas.map { $0.squareRoot() }
    let (first, last) = (roots[0], roots[timesteps - 1])
    let scale = first / (first - last)
    let rescaled = roots.map { root in
      let moved = (root - last) * scale
      return moved * moved
    }
    let betas = rescaled.indices.map { t in t == 0 ? 1 - rescaled[0] : 1 - rescaled[t] / rescaled[t - 1] }
    return NoiseSchedule(
      betas: betas, cumulativeAlphas: rescaled, modelTimesteps: modelTimesteps, formula: formula,
      isRescaledToZeroSNR: true)
  }
}
