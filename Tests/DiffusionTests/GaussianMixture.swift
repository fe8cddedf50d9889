import Diffusion
import Foundation

/// A mixture of normal distributions in one dimension, whose noisy versions are mixtures too: the best denoiser, and the
/// solution of the probability flow, are known.
struct GaussianMixture {
  let weights: [Double]
  let means: [Double]
  let deviation: Double

  static let twoModes = GaussianMixture(weights: [0.3, 0.7], means: [-0.7, 0.5], deviation: 0.2)

  var mean: Double { zip(weights, means).reduce(0) { $0 + $1.0 * $1.1 } }

  /// E[x_0 | x = α x_0 + σ ε].
  func denoised(_ x: Double, signal: Double, noise: Double) -> Double {
    let own = deviation * deviation
    let variance = signal * signal * own + noise * noise
    let logs = zip(weights, means).map { weight, mean in
      log(weight) - (x - signal * mean) * (x - signal * mean) / (2 * variance)
    }
    let most = logs.max() ?? 0
    let parts = logs.map { exp($0 - most) }
    let images = means.map { $0 + signal * own / variance * (x - signal * $0) }
    return zip(parts, images).reduce(0) { $0 + $1.0 * $1.1 } / parts.reduce(0, +)
  }

  /// The probability of x below `x`, with signal α and noise σ.
  func distribution(_ x: Double, signal: Double = 1, noise: Double = 0) -> Double {
    let spread = (signal * signal * deviation * deviation + noise * noise).squareRoot()
    return zip(weights, means).reduce(0) {
      $0 + $1.0 * 0.5 * erfc((signal * $1.1 - x) / (spread * 2.0.squareRoot()))
    }
  }

  /// Where the probability flow leads from x: in one dimension it keeps the order of points, and so their quantiles.
  func image(of x: Double, signal: Double, noise: Double) -> Double {
    let quantile = distribution(x, signal: signal, noise: noise)
    var (low, high) = (-10.0, 10.0)
    for _ in 0..<100 {
      let middle = 0.5 * (low + high)
      if distribution(middle) < quantile { low = middle } else { high = middle }
    }
    return 0.5 * (low + high)
  }

  /// The output that a perfect network of `process` gives at a point, for the input that it sees.
  func output(_ input: Double, _ process: any DiffusionProcess, at point: PathPoint) -> Double {
    let readout = process.readout(at: point)
    let x = input / readout.inputScale
    return (denoised(x, signal: point.signal, noise: point.noise) - readout.imageFromX * x)
      / readout.imageFromOutput
  }

  /// The largest distance between the distribution and that of `values` (Kolmogorov and Smirnov).
  func distance(of values: [Float]) -> Double {
    let sorted = values.map(Double.init).sorted()
    let count = Double(sorted.count)
    return sorted.enumerated().reduce(0) { most, element in
      let expected = distribution(element.element)
      let (below, above) = (Double(element.offset) / count, Double(element.offset + 1) / count)
      return max(most, abs(expected - below), abs(expected - above))
    }
  }
}
