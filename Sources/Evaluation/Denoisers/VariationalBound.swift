import Foundation

/// The terms of the variational bound of -log p(x_0) (Ho et al., 2020, equation 5), in nats, as improved-diffusion
/// computes them (`GaussianDiffusion.calc_bpd_loop`): the estimate of x_0 is clipped to the range of images, [-1, 1].
struct VariationalBound {
  /// Half of the distance between neighbouring values of an image: 1/255 for bytes.
  let halfStep: Double

  /// L_{t-1}, or L_0 at t = 0, of one image.
  ///
  /// - Parameters:
  ///   - image: x_0 [size], in [-1, 1].
  ///   - noisy: x_t [size].
  ///   - output: what the model says of it [size].
  func term(
    of image: UnsafeBufferPointer<Float>, noisy: UnsafeBufferPointer<Float>,
    output: UnsafeBufferPointer<Float>,
    at step: ReverseStep, isLast: Bool
  ) -> Double {
    // What the terms of all values share.
    let variances = Self.divergence((0, step.logPosteriorVariance), (0, step.logVariance))
    let precision = exp(-step.logVariance)
    var sum = 0.0
    for index in image.indices {
      let (x0, x) = (Double(image[index]), Double(noisy[index]))
      let estimate = step.imageFromX * x + step.imageFromOutput * Double(output[index])
      let clipped = estimate < -1 ? -1 : estimate > 1 ? 1 : estimate
      if isLast {
        let mean = step.posteriorFromImage * clipped + step.posteriorFromX * x
        sum -= logProbability(of: x0, mean: mean, logDeviation: 0.5 * step.logVariance)
      } else {
        // Both means have the same part of x_t.
        let distance = step.posteriorFromImage * (x0 - clipped)
        sum += variances + 0.5 * precision * distance * distance
      }
    }
    return sum
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

  /// The logarithm of a normal distribution's probability of the values that are rounded to `value`; the least and the
  /// greatest stand for all beyond them (Ho et al., 2020, equation 13). Probabilities below 1e-12 count as that.
  func logProbability(of value: Double, mean: Double, logDeviation: Double) -> Double {
    let inverse = exp(-logDeviation)
    let above = Self.distribution((value - mean + halfStep) * inverse)
    let below = Self.distribution((value - mean - halfStep) * inverse)
    let probability: Double
    if value < -1 + halfStep {
      probability = above
    } else if value > 1 - halfStep {
      probability = 1 - below
    } else {
      probability = above - below
    }
    // Written so that NaN stays NaN.
    return log(probability < 1e-12 ? 1e-12 : probability)
  }

  /// Φ(x) ≈ (1 + tanh(sqrt(2/π) (x + 0.044715 x³))) / 2, which published values were computed with.
  static func distribution(_ x: Double) -> Double {
    0.5 * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
  }
}
