import Foundation

/// UniPC of order 2 in x_0 (Zhao et al., 2023, "UniPC", algorithms 5 and 6): a DPM-Solver++ step, whose result is
/// corrected with the next estimate before it is used.
struct UniPCSampler: Sampler {
  let evaluations: [Evaluation]
  private let options: SolverOptions
  /// x_0 of the last two evaluations, most recent last.
  private var images: [[Float]] = []
  /// The start of the previous step: its x, after correction, and its order.
  private var last: (x: [Float], order: Int)?

  init(_ path: SamplingPath, options: SolverOptions) {
    evaluations = path.evaluations
    self.options = options
  }

  var needs: EstimateNeeds { .image }

  mutating func advance(
    _ x: inout [Float], from index: Int, with estimate: Estimate, in context: StepContext
  ) {
    if let last, !options.uncorrected.contains(index - 1) {
      correct(&x, from: index - 1, last, with: estimate.image, context)
    }
    images = images.suffix(1) + [estimate.image]
    var order = min(options.order, index + 1)
    if options.lowerOrderFinal { order = min(order, evaluations.count - index) }
    last = (x, order)
    predict(&x, from: index, order: order, context)
  }

  /// x_t = σ_t/σ_s x - α_t (e^{-h} - 1) x_0 - α_t B (x_0' - x_0) / (2 r) (UniP-2: ρ = 1/2), r = (λ_s' - λ_s) / h.
  private func predict(_ x: inout [Float], from index: Int, order: Int, _ context: StepContext) {
    let (point, next) = (evaluations[index].point, evaluations[index].next)
    let image = images[images.count - 1]
    guard next.noise > 0 else {
      x = LinearCombination.of([(next.signal, image)], threads: context.threads)
      return
    }
    let h = next.logSNR - point.logSNR
    guard h > 0 else { return }
    var terms = [(next.noise / point.noise, x)]
    var ofImage = -next.signal * expm1(-h)
    if order == 2 {
      let r = (evaluations[index - 1].point.logSNR - point.logSNR) / h
      let change = -next.signal * scale(-h) * 0.5 / r
      ofImage -= change
      terms.append((change, images[0]))
    }
    terms.append((ofImage, image))
    x = LinearCombination.of(terms, threads: context.threads)
  }

  /// Repeats the step from `index` with the estimate at its end (UniC). ρ solves Σ_k r_k^{i-1} ρ_k = φ_i i! / B.
  private func correct(
    _ x: inout [Float], from index: Int, _ last: (x: [Float], order: Int), with estimate: [Float],
    _ context: StepContext
  ) {
    let (point, next) = (evaluations[index].point, evaluations[index].next)
    let h = next.logSNR - point.logSNR
    guard h > 0 else { return }
    let image = images[images.count - 1]
    let factor = -next.signal * scale(-h)
    var terms = [(next.noise / point.noise, last.x)]
    var ofImage = -next.signal * expm1(-h)
    if last.order == 2 {
      let r = (evaluations[index - 1].point.logSNR - point.logSNR) / h
      // φ_1 = (e^{-h} - 1)/(-h) - 1, φ_2 = φ_1/(-h) - 1/2; two equations: ρ_1 + ρ_2 = b_1, r ρ_1 + ρ_2 = b_2.
      let first = expm1(-h) / -h - 1
      let (b1, b2) = (first / scale(-h), 2 * (first / -h - 0.5) / scale(-h))
      let rho1 = (b1 - b2) / (1 - r)
      let rho2 = b1 - rho1
      ofImage -= factor * (rho1 / r + rho2)
      terms += [(factor * rho1 / r, images[0]), (factor * rho2, estimate)]
    } else {
      ofImage -= factor * 0.5
      terms.append((factor * 0.5, estimate))
    }
    terms.append((ofImage, image))
    x = LinearCombination.of(terms, threads: context.threads)
  }

  private func scale(_ h: Double) -> Double { options.usesBH1 ? h : expm1(h) }
}
