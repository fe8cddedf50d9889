import Foundation

/// How much noise each timestep adds: β of every step of the forward process, and what follows from it.
///
/// Arrays are indexed by t in 0..<T, as the article's; DDPM's β_1 is `betas[0]`. All in double precision.
public struct NoiseSchedule: Hashable, Sendable {
  public enum Kind: String, CaseIterable, Sendable {
    /// From 1e-4 to 0.02 in equal steps (Ho et al., 2020).
    case linear
    /// ᾱ falls as a squared cosine (Nichol and Dhariwal, 2021, equation 17).
    case cosine
    /// The square roots from 0.01 to sqrt(0.02) in equal steps.
    case quadratic
    /// Between 1e-4 and 0.02 along a sigmoid from -6 to 6.
    case sigmoid
  }

  /// β_t.
  public let betas: [Double]
  /// ᾱ_t, the product of 1 - β up to t.
  public let cumulativeAlphas: [Double]
  /// The timestep that the model is told at each step: 0, 1, 2, ... unless steps were left out.
  public let modelTimesteps: [Int]

  public var timesteps: Int { betas.count }

  public init(_ kind: Kind, timesteps: Int) {
    precondition(timesteps >= 1, "a schedule needs at least one timestep, not \(timesteps)")
    let (start, end) = (1e-4, 0.02)
    switch kind {
    case .linear: self.init(betas: Self.interpolated(start, end, timesteps))
    case .quadratic:
      self.init(betas: Self.interpolated(start.squareRoot(), end.squareRoot(), timesteps).map { $0 * $0 })
    case .sigmoid:
      self.init(betas: Self.interpolated(-6, 6, timesteps).map { (end - start) / (1 + exp(-$0)) + start })
    case .cosine:
      let offset = 0.008
      let alphas = (0...timesteps).map { t -> Double in
        let c = cos((Double(t) / Double(timesteps) + offset) / (1 + offset) * Double.pi * 0.5)
        return c * c
      }
      self.init(betas: zip(alphas.dropFirst(), alphas).map { min(max(1 - $0 / $1, 0.0001), 0.9999) })
    }
  }

  private init(betas: [Double]) {
    self.betas = betas
    var product = 1.0
    cumulativeAlphas = betas.map { beta in
      product *= 1 - beta
      return product
    }
    modelTimesteps = Array(betas.indices)
  }

  private init(betas: [Double], cumulativeAlphas: [Double], modelTimesteps: [Int]) {
    self.betas = betas
    self.cumulativeAlphas = cumulativeAlphas
    self.modelTimesteps = modelTimesteps
  }

  /// The schedule that visits only `count` of the timesteps, evenly spread, with the same ᾱ at each of them
  /// (Nichol and Dhariwal, 2021, section 4).
  public func respaced(to count: Int) -> NoiseSchedule {
    precondition((1...timesteps).contains(count), "\(count) steps out of \(timesteps)")
    guard count < timesteps else { return self }
    // The last timestep is always among them: sampling starts from pure noise.
    let kept = (1...count).map { $0 * timesteps / count - 1 }
    var previous = 1.0
    let betas = kept.map { t -> Double in
      defer { previous = cumulativeAlphas[t] }
      return 1 - cumulativeAlphas[t] / previous
    }
    // Where β is nearly 1, a product of 1 - β would have lost most of ᾱ's digits.
    return NoiseSchedule(
      betas: betas, cumulativeAlphas: kept.map { cumulativeAlphas[$0] },
      modelTimesteps: kept.map { modelTimesteps[$0] })
  }

  /// ᾱ before step t: 1 before the first.
  public func previousCumulativeAlpha(_ t: Int) -> Double { t == 0 ? 1 : cumulativeAlphas[t - 1] }

  /// β̃_t, the variance of q(x_{t-1} | x_t, x_0) (Ho et al., 2020, equation 7).
  public func posteriorVariance(_ t: Int) -> Double {
    betas[t] * (1 - previousCumulativeAlpha(t)) / (1 - cumulativeAlphas[t])
  }

  private static func interpolated(_ start: Double, _ end: Double, _ count: Int) -> [Double] {
    (0..<count).map { count == 1 ? start : start + (end - start) * Double($0) / Double(count - 1) }
  }
}
