/// The variance of p(x_{t-1} | x_t), from which ancestral sampling draws its noise.
public enum ReverseVariance: String, CaseIterable, Sendable {
  /// β̃_t: exact if the image is known (Ho et al., 2020, section 3.2).
  case fixedSmall = "fixed-small"
  /// β_t: exact if the image is pure noise.
  case fixedLarge = "fixed-large"
  /// Interpolated between the two by a second output per channel (Nichol and Dhariwal, 2021, equation 15).
  case learnedRange = "learned-range"
}
