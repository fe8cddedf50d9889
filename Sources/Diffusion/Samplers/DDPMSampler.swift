import Foundation
import Kernels

/// Ancestral sampling: draws from p(x_{t-1} | x_t) at each step (Ho et al., 2020, algorithm 2).
struct DDPMSampler: Sampler {
  let evaluations: [Evaluation]
  /// β of each step: that of its timestep, or 1 - ᾱ_t / ᾱ_s if s is not t - 1.
  private let betas: [Double]
  private let variance: ReverseVariance
  /// Whether the mean can be computed from ε, without x_0.
  private let readsNoise: Bool

  /// - Parameter readsNoise: whether the network predicts ε and x_0 is not clipped.
  init(_ path: SamplingPath, variance: ReverseVariance, readsNoise: Bool) {
    precondition(path.betas.count == path.points.count, "\(path.betas.count) βs")
    evaluations = path.evaluations
    betas = path.betas
    self.variance = variance
    self.readsNoise = readsNoise
  }

  var needs: EstimateNeeds { readsNoise ? .noise : .image }

  mutating func advance(
    _ x: inout [Float], from index: Int, with estimate: Estimate, in context: StepContext
  ) {
    let (point, next, beta) = (evaluations[index].point, evaluations[index].next, betas[index])
    let (now, before) = (point.signal * point.signal, next.signal * next.signal)
    if readsNoise {
      // μ = (x_t - β_t ε / sqrt(1 - ᾱ_t)) / sqrt(1 - β_t) (equation 11).
      let scale = Float(1 / (1 - beta).squareRoot())
      let share = Float(beta / (1 - now).squareRoot())
      for place in x.indices { x[place] = scale * (x[place] - share * estimate.noise[place]) }
    } else {
      // μ = sqrt(ᾱ_{t-1}) β_t / (1 - ᾱ_t) x_0 + sqrt(1 - β_t) (1 - ᾱ_{t-1}) / (1 - ᾱ_t) x_t (equation 7).
      x = LinearCombination.of(
        [
          (before.squareRoot() * beta / (1 - now), estimate.image),
          ((1 - beta).squareRoot() * (1 - before) / (1 - now), x),
        ], threads: context.threads)
    }
    // The final image gets no noise.
    guard index + 1 < evaluations.count else { return }
    let small = beta * (1 - before) / (1 - now)
    let noise = context.freshNoise()
    switch variance {
    case .fixedSmall, .fixedLarge:
      let deviation = Float((variance == .fixedSmall ? small : beta).squareRoot())
      for place in x.indices { x[place] += deviation * noise[place] }
    case .learnedRange:
      // log σ² = v' log β_t + (1 - v') log β̃_t with v' = (v + 1) / 2 (Nichol and Dhariwal, 2021, equation 15).
      let (least, most) = (log(max(small, 1e-20)), log(beta))
      for place in x.indices {
        let part = (Double(estimate.variance[place]) + 1) / 2
        x[place] += Float(exp(0.5 * (part * most + (1 - part) * least))) * noise[place]
      }
    }
  }
}
