import Foundation

extension NoiseSchedule {
  /// How β grows with t.
  public enum Kind: String, CaseIterable, Sendable {
    /// In equal steps (Ho et al., 2020).
    case linear
    /// ᾱ falls as a squared cosine (Nichol and Dhariwal, 2021, equation 17), β between 1e-4 and 0.9999.
    case cosine
    /// The same with β capped at 0.999, as in the article: diffusers' `squaredcos_cap_v2`.
    case cosineCapped = "cosine-capped"
    /// √β in equal steps, by default from 0.00085 to 0.012: Stable Diffusion's.
    case scaledLinear = "scaled-linear"
    /// √β in equal steps, by default from 1e-4 to 0.02.
    case quadratic
    /// Along a sigmoid from -6 to 6.
    case sigmoid

    /// The default first and last β of the formula; nil for formulas without these parameters.
    public var defaultBetas: (start: Double, end: Double)? {
      switch self {
      case .cosine, .cosineCapped: nil
      case .scaledLinear: (0.00085, 0.012)
      case .linear, .quadratic, .sigmoid: (1e-4, 0.02)
      }
    }
  }

  /// A kind with its first and last β.
  public struct Formula: Hashable, Sendable {
    public let kind: Kind
    /// nil for kinds without these parameters.
    public let betaStart: Double?
    public let betaEnd: Double?
  }

  /// - Parameters:
  ///   - timesteps: T, at least 1.
  ///   - betaStart: the first β, in (0, 1); nil for the kind's default, and for the cosine kinds, which have no such
  ///     parameter.
  ///   - betaEnd: the last β, in [betaStart, 1).
  public init(_ kind: Kind, timesteps: Int, betaStart: Double? = nil, betaEnd: Double? = nil) {
    precondition(timesteps >= 1, "a schedule needs at least one timestep, not \(timesteps)")
    let defaults = kind.defaultBetas
    precondition(
      defaults != nil || betaStart == nil && betaEnd == nil, "\(kind.rawValue) takes no first or last β")
    let formula = Formula(
      kind: kind, betaStart: betaStart ?? defaults?.start, betaEnd: betaEnd ?? defaults?.end)
    let (start, end) = (formula.betaStart ?? 0, formula.betaEnd ?? 0)
    precondition(
      defaults == nil || 0 < start && start <= end && end < 1, "βs from \(start) to \(end)")
    let betas: [Double]
    switch kind {
    case .linear: betas = Self.interpolated(start, end, timesteps)
    case .quadratic, .scaledLinear:
      betas = Self.interpolated(start.squareRoot(), end.squareRoot(), timesteps).map { $0 * $0 }
    case .sigmoid:
      betas = Self.interpolated(-6, 6, timesteps).map { (end - start) / (1 + exp(-$0)) + start }
    case .cosine: betas = Self.cosineBetas(timesteps).map { min(max($0, 0.0001), 0.9999) }
    case .cosineCapped: betas = Self.cosineBetas(timesteps).map { min($0, 0.999) }
    }
    self.init(betas: betas, formula: formula)
  }

  /// 1 - ᾱ_t / ᾱ_{t-1} with ᾱ_t = cos²((t/T + s) / (1 + s) · π/2), s = 0.008.
  private static func cosineBetas(_ timesteps: Int) -> [Double] {
    let offset = 0.008
    let alphas = (0...timesteps).map { t -> Double in
      let c = cos((Double(t) / Double(timesteps) + offset) / (1 + offset) * Double.pi * 0.5)
      return c * c
    }
    return zip(alphas.dropFirst(), alphas).map { 1 - $0 / $1 }
  }

  private static func interpolated(_ start: Double, _ end: Double, _ count: Int) -> [Double] {
    (0..<count).map { count == 1 ? start : start + (end - start) * Double($0) / Double(count - 1) }
  }
}
