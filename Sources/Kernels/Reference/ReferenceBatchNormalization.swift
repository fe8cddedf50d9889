/// Reference implementation of `BatchNormalization` for tests: channel by channel in double precision, on one thread.
/// Same layouts: x, y [N, C], all else [C].
public enum ReferenceBatchNormalization {
  /// The mean and biased variance of each channel.
  public static func measure(_ norm: BatchNormalization, _ x: UnsafePointer<Float>) -> (
    mean: [Double], variance: [Double]
  ) {
    let (n, c) = (norm.rows, norm.channels)
    let means = (0..<c).map { channel in
      (0..<n).reduce(0) { $0 + Double(x[$1 * c + channel]) } / Double(n)
    }
    let variances = (0..<c).map { channel in
      (0..<n).reduce(0) { sum, row in
        let d = Double(x[row * c + channel]) - means[channel]
        return sum + d * d
      } / Double(n)
    }
    return (means, variances)
  }

  public static func forward(
    _ norm: BatchNormalization, _ x: UnsafePointer<Float>, mean: [Double], variance: [Double],
    gamma: UnsafePointer<Float>, beta: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>
  ) {
    for index in 0..<norm.rows * norm.channels {
      let channel = index % norm.channels
      let normalized =
        (Double(x[index]) - mean[channel]) / (variance[channel] + Double(norm.epsilon)).squareRoot()
      let value = normalized * Double(gamma[channel]) + Double(beta[channel])
      switch norm.activation {
      case .none: output[index] = Float(value)
      case .relu: output[index] = Float(max(value, 0))
      }
    }
  }

  /// dx, and the gradients of gamma and beta, by the chain rule through mean and variance.
  public static func gradients(
    _ norm: BatchNormalization, _ x: UnsafePointer<Float>, gamma: UnsafePointer<Float>,
    beta: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>
  ) -> (input: [Double], gamma: [Double], beta: [Double]) {
    let (n, c) = (norm.rows, norm.channels)
    let (mean, variance) = measure(norm, x)
    var input = [Double](repeating: 0, count: n * c)
    var (gammas, betas) = ([Double](repeating: 0, count: c), [Double](repeating: 0, count: c))
    for channel in 0..<c {
      let places = (0..<n).map { $0 * c + channel }
      let spread = (variance[channel] + Double(norm.epsilon)).squareRoot()
      let deviations = places.map { Double(x[$0]) - mean[channel] }
      let g = zip(places, deviations).map { place, deviation in
        let u = deviation / spread * Double(gamma[channel]) + Double(beta[channel])
        return norm.activation == .relu && u <= 0 ? 0 : Double(outputGradient[place])
      }
      betas[channel] = g.reduce(0, +)
      gammas[channel] = zip(g, deviations).reduce(0) { $0 + $1.0 * $1.1 / spread }
      let byNormalized = g.map { $0 * Double(gamma[channel]) }
      let byVariance = zip(byNormalized, deviations).reduce(0) {
        $0 - $1.0 * $1.1 / (2 * spread * spread * spread)
      }
      let byMean = byNormalized.reduce(0) { $0 - $1 / spread }
      for (index, place) in places.enumerated() {
        input[place] =
          byNormalized[index] / spread + byVariance * 2 * deviations[index] / Double(n) + byMean / Double(n)
      }
    }
    return (input, gammas, betas)
  }
}
