/// The variance of p(x_{t-1} | x_t), by which ancestral sampling adds noise.
public enum ReverseVariance: String, CaseIterable, Sendable {
  /// β̃_t: right if the image is known (Ho et al., 2020, section 3.2).
  case fixedSmall = "fixed-small"
  /// β_t: right if the image is pure noise.
  case fixedLarge = "fixed-large"
  /// Between both, by a second output per channel (Nichol and Dhariwal, 2021, equation 15).
  case learnedRange = "learned-range"
}
