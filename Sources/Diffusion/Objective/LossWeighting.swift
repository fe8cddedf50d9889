import Settings

/// The weight of each timestep in the loss.
public enum LossWeighting: Hashable, Sendable {
  /// Equal weights: L_simple (Ho et al., 2020, equation 14).
  case uniform
  /// The loss of x_0 with the weight min(SNR, γ) (Hang et al., 2023, "Efficient Diffusion Training via Min-SNR
  /// Weighting Strategy", section 3.4).
  case minSNR(gamma: Double)

  /// The weight of the squared error of `prediction`: that of the error of x_0, divided by the ratio of the two.
  ///
  /// Without signal (SNR 0) the weight is the limit: 1 for ε, 0 for v and sample.
  public func weight(snr: Double, prediction: Prediction) -> Double {
    switch self {
    case .uniform: return 1
    case .minSNR(let gamma):
      let ratio = prediction.errorRatio(snr: snr)
      return ratio == 0 ? 1 : min(snr, gamma) / ratio
    }
  }
}

extension LossWeighting {
  /// The names in configurations.
  private enum Name: String, CaseIterable {
    case uniform
    case minSNR = "min-snr"
  }

  private static let nameKey = "weighting"
  private static let gammaKey = "min_snr_gamma"
  static let keys = [nameKey, gammaKey]

  /// Reads the weighting from the section `diffusion`.
  ///
  /// - Throws: `SettingsError`.
  init(_ reader: SettingsReader) throws {
    let name = try reader.choice(
      Self.nameKey, default: Name.uniform, help: "how much each timestep's loss counts")
    switch name {
    case .minSNR:
      self = .minSNR(
        gamma: try reader.value(
          Self.gammaKey, default: 5.0, in: Above(0.0), help: "the highest weight of weighting: min-snr"))
    case .uniform:
      if reader.isGiven(Self.gammaKey) {
        throw reader.invalid(Self.gammaKey, "is of weighting: min-snr, and weighting is uniform")
      }
      self = .uniform
    }
  }
}
