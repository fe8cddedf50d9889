/// The amount of noise that each timestep adds: β of every step of the forward process, and quantities derived from it.
///
/// Arrays are indexed by t in 0..<T; the article's β_1 is `betas[0]`. All values are in double precision.
public struct NoiseSchedule: Hashable, Sendable {
  /// β_t.
  public let betas: [Double]
  /// ᾱ_t, the product of 1 - β up to t.
  public let cumulativeAlphas: [Double]
  /// The model's timestep input at each step: 0, 1, 2, ... unless steps were skipped.
  public let modelTimesteps: [Int]
  /// The formula that generated the βs; nil if they were listed explicitly or steps were skipped.
  public let formula: Formula?
  /// Whether ᾱ was rescaled to leave no signal at the last timestep.
  public let isRescaledToZeroSNR: Bool

  /// T.
  public var timesteps: Int { betas.count }

  init(
    betas: [Double], cumulativeAlphas: [Double], modelTimesteps: [Int], formula: Formula? = nil,
    isRescaledToZeroSNR: Bool = false
  ) {
    self.betas = betas
    self.cumulativeAlphas = cumulativeAlphas
    self.modelTimesteps = modelTimesteps
    self.formula = formula
    self.isRescaledToZeroSNR = isRescaledToZeroSNR
  }

  /// A schedule with explicit βs, such as diffusers' `trained_betas`.
  ///
  /// - Parameter betas: β_t in (0, 1], at least one; only the last may be 1.
  public init(betas: [Double]) {
    self.init(betas: betas, formula: nil)
  }

  init(betas: [Double], formula: Formula?) {
    precondition(!betas.isEmpty, "a schedule needs at least one timestep")
    precondition(
      betas.allSatisfy { $0 > 0 && $0 <= 1 } && betas.dropLast().allSatisfy { $0 < 1 },
      "every β must be above 0 and below 1, the last at most 1")
    var product = 1.0
    let cumulativeAlphas = betas.map { beta in
      product *= 1 - beta
      return product
    }
    self.init(
      betas: betas, cumulativeAlphas: cumulativeAlphas, modelTimesteps: Array(betas.indices), formula: formula
    )
  }

  /// The schedule that visits only `count` evenly spread timesteps, with the same ᾱ at each of them
  /// (Nichol and Dhariwal, 2021, section 4).
  public func respaced(to count: Int) -> NoiseSchedule {
    precondition((1...timesteps).contains(count), "\(count) steps out of \(timesteps)")
    guard count < timesteps else { return self }
    // The last timestep is always included: sampling starts from pure noise.
    let kept = (1...count).map { $0 * timesteps / count - 1 }
    var previous = 1.0
    let betas = kept.map { t -> Double in
      defer { previous = cumulativeAlphas[t] }
      return 1 - cumulativeAlphas[t] / previous
    }
    // Copied rather than recomputed: where β is nearly 1, the product of 1 - β would lose most of ᾱ's digits.
    return NoiseSchedule(
      betas: betas, cumulativeAlphas: kept.map { cumulativeAlphas[$0] },
      modelTimesteps: kept.map { modelTimesteps[$0] }, isRescaledToZeroSNR: isRescaledToZeroSNR)
  }

  /// ᾱ before step t; 1 before the first step.
  public func previousCumulativeAlpha(_ t: Int) -> Double { t == 0 ? 1 : cumulativeAlphas[t - 1] }

  /// β̃_t, the variance of q(x_{t-1} | x_t, x_0) (Ho et al., 2020, equation 7).
  public func posteriorVariance(_ t: Int) -> Double {
    betas[t] * (1 - previousCumulativeAlpha(t)) / (1 - cumulativeAlphas[t])
  }

  /// ᾱ_t / (1 - ᾱ_t), the signal-to-noise ratio of x_t.
  public func signalToNoiseRatio(_ t: Int) -> Double { cumulativeAlphas[t] / (1 - cumulativeAlphas[t]) }

  /// sqrt((1 - ᾱ_t) / ᾱ_t), the noise level of x_t / sqrt(ᾱ_t) (Song et al., 2021, equation 14).
  public func sigma(_ t: Int) -> Double {
    ((1 - cumulativeAlphas[t]) / cumulativeAlphas[t]).squareRoot()
  }
}
