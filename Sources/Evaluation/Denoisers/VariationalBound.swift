import Diffusion
import Foundation

/// The terms of the variational bound of -log p(x_0) (Ho et al., 2020, equation 5), in nats, computed as in
/// improved-diffusion (`GaussianDiffusion.calc_bpd_loop`): the estimate of x_0 is clipped to the range of images, [-1,
/// 1].
struct VariationalBound {
  /// Half the distance between adjacent values of an image: 1/255 for bytes.
  let halfStep: Double

  /// L_{t-1}, or L_0 at t = 0, of one image.
  ///
  /// - Parameters:
  ///   - image: x_0 [pixels, C], in [-1, 1].
  ///   - noisy: x_t [pixels, C].
  ///   - output: the model's output: [pixels, C], or [pixels, 2 C], in which learned variances follow the prediction.
  ///   - channels: C.
  func term(
    of image: UnsafeBufferPointer<Float>, noisy: UnsafeBufferPointer<Float>,
    output: UnsafeBufferPointer<Float>, channels: Int, at step: ReverseStep, isLast: Bool
  ) -> Double {
    switch step.logVariance {
    case .fixed(let logVariance):
      precondition(output.count == image.count, "\(output.count) outputs for \(image.count) values")
      // Shared by the terms of all values.
      let constants = Constants(step, logVariance)
      return image.indices.reduce(0) { sum, index in
        sum + term(image[index], noisy[index], output[index], step, constants, isLast)
      }
    case .learned(let small, let large):
      precondition(output.count == 2 * image.count, "\(output.count) outputs for \(image.count) values")
      return image.indices.reduce(0) { sum, index in
        let place = index / channels * 2 * channels + index % channels
        let part = (Double(output[place + channels]) + 1) / 2
        let constants = Constants(step, part * large + (1 - part) * small)
        return sum + term(image[index], noisy[index], output[place], step, constants, isLast)
      }
    }
  }

  /// Quantities that depend only on the variance of p(x_{t-1} | x_t).
  private struct Constants {
    let logDeviation: Double
    /// 1 / σ².
    let precision: Double
    /// The divergence for equal means.
    let divergence: Double

    init(_ step: ReverseStep, _ logVariance: Double) {
      logDeviation = 0.5 * logVariance
      precision = exp(-logVariance)
      divergence = VariationalBound.divergence((0, step.logPosteriorVariance), (0, logVariance))
    }
  }

  /// The term for one value.
  private func term(
    _ image: Float, _ noisy: Float, _ output: Float, _ step: ReverseStep, _ constants: Constants,
    _ isLast: Bool
  ) -> Double {
    let (x0, x) = (Double(image), Double(noisy))
    let estimate = step.readout.imageFromX * x + step.readout.imageFromOutput * Double(output)
    let clipped = estimate < -1 ? -1 : estimate > 1 ? 1 : estimate
    if isLast {
      let mean = step.posteriorFromImage * clipped + step.posteriorFromX * x
      return -logProbability(of: x0, mean: mean, logDeviation: constants.logDeviation)
    }
    // The contribution of x_t is the same in both means.
    let distance = step.posteriorFromImage * (x0 - clipped)
    return constants.divergence + 0.5 * constants.precision * distance * distance
  }

  /// L_T = KL(q(x_T | x_0) ‖ N(0, I)) of one image.
  func prior(of image: UnsafeBufferPointer<Float>, at last: ReverseStep) -> Double {
    let logVariance = 2 * log(last.noise)
    var sum = 0.0
    for value in image { sum += Self.divergence((last.signal * Double(value), logVariance), (0, 0)) }
    return sum
  }

  /// KL(N(μ₁, σ₁²) ‖ N(μ₂, σ₂²)), each given by μ and log σ².
  static func divergence(_ a: (mean: Double, logVariance: Double), _ b: (mean: Double, logVariance: Double))
    -> Double
  {
    let distance = a.mean - b.mean
    return 0.5
      * (-1 + b.logVariance - a.logVariance + exp(a.logVariance - b.logVariance)
        + distance * distance * exp(-b.logVariance))
  }

  /// The logarithm of a normal distribution's probability of the values that round to `value`; the smallest and the
  /// largest include everything beyond them (Ho et al., 2020, equation 13). Probabilities below 1e-12 are raised to
  /// 1e-12.
  func logProbability(of value: Double, mean: Double, logDeviation: Double) -> Double {
    let inverse = exp(-logDeviation)
    let above = Gaussian.approximateDistribution((value - mean + halfStep) * inverse).value
    let below = Gaussian.approximateDistribution((value - mean - halfStep) * inverse).value
    let probability: Double
    if value < -1 + halfStep {
      probability = above
    } else if value > 1 - halfStep {
      probability = 1 - below
    } else {
      probability = above - below
    }
    // Written to preserve NaN.
    return log(probability < 1e-12 ? 1e-12 : probability)
  }
}
