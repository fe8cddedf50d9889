import Foundation

// The variational bound for learned variances, following Nichol and Dhariwal (2021), section 3.1, as computed by
// improved-diffusion with `rescale_learned_sigmas` (LossType.RESCALED_MSE): the term of one timestep, in bits per
// value, times T/1000, which is equivalent to λ = 0.001. The mean is detached, so the bound trains only the variance.

extension DDPMProcess {
  /// The range of log σ² of p(x_{t-1} | x_t), from β̃_t to β_t (equation 15). At t = 0, where β̃ is 0, β̃_1 is used.
  package func logVarianceRange(_ t: Int) -> (small: Double, large: Double) {
    let small = schedule.posteriorVariance(t == 0 && schedule.timesteps > 1 ? 1 : t)
    return (log(max(small, 1e-20)), log(schedule.betas[t]))
  }

  public func addToLoss(_ batch: LossBatch) {
    guard variance == .learnedRange, boundWeight > 0 else { return }
    let count = batch.levels.count
    let size = batch.images.count / count
    let factor = boundWeight * Double(schedule.timesteps) / log(2)
    batch.threads.parallel(count) { sample, _ in
      guard let t = batch.levels[sample].index else { return }
      let term = BoundTerm(self, at: t)
      let outputs = 2 * batch.imageChannels
      var sum = 0.0
      for index in 0..<size {
        let place = sample * size + index
        let (pixel, channel) = (place / batch.imageChannels, place % batch.imageChannels)
        let variancePlace = pixel * outputs + batch.imageChannels + channel
        let (value, slope) = term(
          image: Double(batch.images[place]), x: Double(batch.noisy[place]),
          output: Double(batch.output[pixel * outputs + channel]),
          variance: Double(batch.output[variancePlace]))
        sum += value
        batch.gradient[variancePlace] += Float(factor * slope / Double(count * size))
      }
      batch.sampleLosses[sample] += factor * sum / Double(size)
    }
  }
}

/// One timestep's term of the bound for a single value, in nats.
struct BoundTerm {
  private let readout: Readout
  private let isLast: Bool
  private let decoder: DDPMProcess.Decoder
  private let logRange: (small: Double, large: Double)
  /// The posterior mean is `fromImage` x_0 + `fromX` x_t (Ho et al., 2020, equation 7).
  private let fromImage: Double
  private let fromX: Double

  init(_ process: DDPMProcess, at t: Int) {
    let schedule = process.schedule
    let level = process.level(at: t)
    readout = process.prediction.readout(signal: level.signal, noise: level.noise)
    isLast = t == 0
    decoder = process.decoder
    logRange = process.logVarianceRange(t)
    let (now, before) = (schedule.cumulativeAlphas[t], schedule.previousCumulativeAlpha(t))
    fromImage = before.squareRoot() * schedule.betas[t] / (1 - now)
    fromX = (1 - schedule.betas[t]).squareRoot() * (1 - before) / (1 - now)
  }

  /// - Parameters:
  ///   - output: the prediction.
  ///   - variance: the second output v; log σ² lies at the fraction (v + 1) / 2 of its range.
  /// - Returns: the term and its derivative with respect to `variance`.
  func callAsFunction(image: Double, x: Double, output: Double, variance: Double) -> (Double, Double) {
    let part = (variance + 1) / 2
    let logVariance = part * logRange.large + (1 - part) * logRange.small
    let predicted = readout.imageFromX * x + readout.imageFromOutput * output
    let (value, slope) =
      isLast
      ? likelihood(of: image, mean: fromImage * predicted + fromX * x, logVariance: logVariance)
      : divergence(fromImage * (image - predicted), logVariance: logVariance)
    return (value, slope * (logRange.large - logRange.small) / 2)
  }

  /// KL(q(x_{t-1} | x_t, x_0) ‖ p(x_{t-1} | x_t)) for means that differ by `difference`, and its derivative with
  /// respect to log σ².
  private func divergence(_ difference: Double, logVariance: Double) -> (Double, Double) {
    let ratio = exp(logRange.small - logVariance)
    let distance = difference * difference * exp(-logVariance)
    return (0.5 * (-1 + logVariance - logRange.small + ratio + distance), 0.5 * (1 - ratio - distance))
  }

  /// -log p(x_0 | x_1), and its derivative with respect to log σ².
  private func likelihood(of image: Double, mean: Double, logVariance: Double) -> (Double, Double) {
    let inverse = exp(-0.5 * logVariance)
    let centred = image - mean
    guard decoder == .pixels else {
      let distance = centred * centred * inverse * inverse
      return (0.5 * (log(2 * Double.pi) + logVariance + distance), 0.5 * (1 - distance))
    }
    // The derivative of (x - μ ± 1/255) / σ with respect to log σ² is -1/2 times itself.
    let (above, below) = (inverse * (centred + 1 / 255), inverse * (centred - 1 / 255))
    let (upper, lower) = (
      Gaussian.approximateDistribution(above), Gaussian.approximateDistribution(below)
    )
    let probability: Double
    let slope: Double
    if image < -0.999 {
      (probability, slope) = (upper.value, -0.5 * above * upper.slope)
    } else if image > 0.999 {
      (probability, slope) = (1 - lower.value, 0.5 * below * lower.slope)
    } else {
      probability = upper.value - lower.value
      slope = -0.5 * (above * upper.slope - below * lower.slope)
    }
    // A floor, below which the gradient is zero; the comparison is written so that NaN stays NaN.
    return probability < 1e-12 ? (-log(1e-12), 0) : (-log(probability), -slope / probability)
  }
}
