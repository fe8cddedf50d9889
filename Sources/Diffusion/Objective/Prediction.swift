/// The quantity that a network predicts from x_t = α x_0 + σ ε, where α² + σ² = 1.
public enum Prediction: String, CaseIterable, Sendable {
  /// The noise ε (Ho et al., 2020, equation 14).
  case epsilon
  /// v = α ε - σ x_0 (Salimans and Ho, 2022, appendix D).
  case v
  /// The image x_0.
  case sample

  /// The coefficients of the target: `image` x_0 + `noise` ε.
  ///
  /// - Parameters:
  ///   - signal: α = sqrt(ᾱ_t).
  ///   - noise: σ = sqrt(1 - ᾱ_t).
  public func target(signal: Double, noise: Double) -> (image: Double, noise: Double) {
    switch self {
    case .epsilon: (0, 1)
    case .v: (-noise, signal)
    case .sample: (1, 0)
    }
  }

  /// The squared error of the prediction divided by that of x_0: |ε error|² = SNR |x_0 error|², and so on.
  func errorRatio(snr: Double) -> Double {
    switch self {
    case .epsilon: snr
    case .v: snr + 1
    case .sample: 1
    }
  }

  /// The name in a scheduler's configuration of diffusers.
  var schedulerName: String {
    switch self {
    case .epsilon, .sample: rawValue
    case .v: "v_prediction"
    }
  }

  /// The linear readout of the prediction at x = `signal` x_0 + `noise` ε, on any scale: the network's input is x /
  /// sqrt(α² + σ²).
  ///
  /// Predictions of v and sample are defined at α = 0 (no signal left). A prediction of ε is not: its readout is not
  /// `isDefined`.
  public func readout(signal: Double, noise: Double) -> Readout {
    let squares = signal * signal + noise * noise
    // If α and σ come from ᾱ, the sum differs from 1 only by rounding; x is then not scaled.
    let length = abs(squares - 1) < 1e-14 ? 1 : squares.squareRoot()
    let (alpha, sigma) = (signal / length, noise / length)
    switch self {
    case .epsilon:
      return Readout(
        inputScale: 1 / length, imageFromX: 1 / signal, imageFromOutput: -noise / signal, noiseFromX: 0,
        noiseFromOutput: 1)
    case .v:
      return Readout(
        inputScale: 1 / length, imageFromX: alpha / length, imageFromOutput: -sigma,
        noiseFromX: sigma / length, noiseFromOutput: alpha)
    case .sample:
      return Readout(
        inputScale: 1 / length, imageFromX: 0, imageFromOutput: 1, noiseFromX: 1 / noise,
        noiseFromOutput: -signal / noise)
    }
  }
}
