/// The weight of each timestep in the loss.
public enum LossWeighting: Hashable, Sendable {
  /// Equal weights: L_simple (Ho et al., 2020, equation 14).
  case uniform
  /// The loss of x_0 with the weight min(SNR, γ) (Hang et al., 2023, "Efficient Diffusion Training via Min-SNR
  /// Weighting Strategy", section 3.4).
  case minSNR(gamma: Double)

  /// The weight of the squared error of `prediction`.
  ///
  /// The squared error of x_0 is that of ε divided by the SNR, and that of v divided by SNR + 1; hence the divisors.
  /// Without signal (SNR 0) the weight is the limit: 1 for ε, 0 for v and sample.
  public func weight(snr: Double, prediction: Prediction) -> Double {
    switch self {
    case .uniform: 1
    case .minSNR(let gamma):
      switch prediction {
      case .epsilon: snr <= gamma ? 1 : gamma / snr
      case .v: min(snr, gamma) / (snr + 1)
      case .sample: min(snr, gamma)
      }
    }
  }
}
