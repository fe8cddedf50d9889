import Diffusion
import Foundation

/// One step of a discrete diffusion process as its evaluation reads it, in double precision: everything that is taken
/// from the process.
struct ReverseStep {
  /// What the model is told.
  let timestep: Float
  /// x_t = `signal` x_0 + `noise` ε.
  let signal: Double
  let noise: Double
  /// The model's estimate of x_0 is `imageFromX` x_t + `imageFromOutput` F.
  let imageFromX: Double
  let imageFromOutput: Double
  /// What F should be: `targetImage` x_0 + `targetNoise` ε.
  let targetImage: Double
  let targetNoise: Double
  /// The mean of q(x_{t-1} | x_t, x_0) is `posteriorFromImage` x_0 + `posteriorFromX` x_t.
  let posteriorFromImage: Double
  let posteriorFromX: Double
  /// The logarithms of the variances of q(x_{t-1} | x_t, x_0) and of p(x_{t-1} | x_t).
  let logPosteriorVariance: Double
  let logVariance: Double

  /// Step t of `schedule`, whose model predicts ε and whose samplers take β̃_t for the variance of p.
  ///
  /// At t = 0, where β̃ is 0, that of the next step stands in for it, as in improved-diffusion
  /// (`posterior_log_variance_clipped`).
  init(_ schedule: NoiseSchedule, _ t: Int) {
    let (now, before) = (schedule.cumulativeAlphas[t], schedule.previousCumulativeAlpha(t))
    timestep = Float(schedule.modelTimesteps[t])
    (signal, noise) = (now.squareRoot(), (1 - now).squareRoot())
    // x_0 = (x_t - sqrt(1 - ᾱ_t) ε) / sqrt(ᾱ_t) (Ho et al., 2020, equation 15).
    (imageFromX, imageFromOutput) = (1 / signal, -noise / signal)
    (targetImage, targetNoise) = (0, 1)
    // Ho et al., 2020, equation 7.
    posteriorFromImage = before.squareRoot() * schedule.betas[t] / (1 - now)
    posteriorFromX = (1 - schedule.betas[t]).squareRoot() * (1 - before) / (1 - now)
    let variance =
      schedule.timesteps == 1 ? schedule.betas[0] : schedule.posteriorVariance(max(t, 1))
    (logPosteriorVariance, logVariance) = (log(variance), log(variance))
  }
}
