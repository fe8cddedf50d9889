import Diffusion
import Foundation

/// One step of a discrete diffusion process for the variational bound, in double precision: all quantities taken from
/// the process.
struct ReverseStep {
  /// x_t = `signal` x_0 + `noise` ε.
  let signal: Double
  let noise: Double
  /// The estimate of x_0 from x_t and the model's output.
  let readout: Readout
  /// The mean of q(x_{t-1} | x_t, x_0) is `posteriorFromImage` x_0 + `posteriorFromX` x_t.
  let posteriorFromImage: Double
  let posteriorFromX: Double
  /// The logarithm of the variance of q(x_{t-1} | x_t, x_0).
  let logPosteriorVariance: Double
  /// The logarithm of the variance of p(x_{t-1} | x_t).
  let logVariance: LogVariance

  enum LogVariance {
    case fixed(Double)
    /// Interpolated between `small` and `large` by (v + 1) / 2, with the model's second output v (Nichol and Dhariwal,
    /// 2021, equation 15).
    case learned(small: Double, large: Double)
  }

  /// Step t of `process`.
  ///
  /// At t = 0, where β̃ is 0, the value of the next step is used instead, also for fixed large variances, as in
  /// improved-diffusion (`posterior_log_variance_clipped`, `FIXED_LARGE`). A single step uses β.
  init(_ process: DDPMProcess, _ t: Int) {
    let (schedule, level) = (process.schedule, process.level(at: t))
    let (now, before) = (schedule.cumulativeAlphas[t], schedule.previousCumulativeAlpha(t))
    (signal, noise) = (level.signal, level.noise)
    readout = process.prediction.readout(signal: signal, noise: noise)
    // Ho et al., 2020, equation 7.
    posteriorFromImage = before.squareRoot() * schedule.betas[t] / (1 - now)
    posteriorFromX = (1 - schedule.betas[t]).squareRoot() * (1 - before) / (1 - now)
    let range = process.logVarianceRange(t)
    let small = schedule.timesteps == 1 ? range.large : range.small
    logPosteriorVariance = small
    logVariance =
      switch process.variance {
      case .fixedSmall: .fixed(small)
      case .fixedLarge: .fixed(t == 0 ? small : range.large)
      case .learnedRange: .learned(small: small, large: range.large)
      }
  }
}
