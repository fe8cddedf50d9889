import Foundation

/// DPM-Solver++(2M) and its stochastic variant, with the midpoint rule (Lu et al., 2022, "DPM-Solver++", algorithm 2
/// and appendix A); of order 1 at the first step and, if so configured, at the last. λ = ln(α/σ), h = λ_t - λ_s.
struct DPMSolverSampler: Sampler {
  let evaluations: [Evaluation]
  private let isStochastic: Bool
  private let options: SolverOptions
  /// The x_0 of the previous step.
  private var previous: [Float]?

  init(_ path: SamplingPath, isStochastic: Bool, options: SolverOptions) {
    evaluations = path.evaluations
    self.isStochastic = isStochastic
    self.options = options
  }

  var needs: EstimateNeeds { .image }

  mutating func advance(
    _ x: inout [Float], from index: Int, with estimate: Estimate, in context: StepContext
  ) {
    let (point, next) = (evaluations[index].point, evaluations[index].next)
    defer { previous = estimate.image }
    guard next.noise > 0 else {
      // h is infinite, and the result is x_0 whatever the order.
      x = LinearCombination.of([(next.signal, estimate.image)], threads: context.threads)
      return
    }
    let h = next.logSNR - point.logSNR
    // A step of length 0 (a last σ equal to the previous one) changes nothing.
    guard h > 0 else { return }
    let factor = isStochastic ? -expm1(-2 * h) : -expm1(-h)
    var (ofImage, ofPrevious) = (next.signal * factor, 0.0)
    if options.order > 1, index > 0, !isLowered(index) {
      // x_0 + (x_0 - x_0') / (2 r), r = h' / h.
      let r = (point.logSNR - evaluations[index - 1].point.logSNR) / h
      ofPrevious = -ofImage / (2 * r)
      ofImage -= ofPrevious
    }
    let ofX = next.noise / point.noise * (isStochastic ? exp(-h) : 1)
    var terms = [(ofX, x), (ofImage, estimate.image)]
    if let previous { terms.append((ofPrevious, previous)) }
    if isStochastic { terms.append((next.noise * factor.squareRoot(), context.freshNoise())) }
    x = LinearCombination.of(terms, threads: context.threads)
  }

  private func isLowered(_ index: Int) -> Bool {
    index == evaluations.count - 1
      && (options.eulerAtFinal || options.lowerOrderFinal && evaluations.count < 15)
  }
}

/// Settings of multistep solvers in diffusers' configurations.
struct SolverOptions: Hashable, Sendable {
  var order = 2
  /// Order 1 at the last step: for DPM-Solver++ with fewer than 15 steps, for UniPC always.
  var lowerOrderFinal = true
  var eulerAtFinal = false
  /// UniPC: B(h) = h instead of e^h - 1.
  var usesBH1 = false
  /// UniPC: the steps after which the corrector is disabled.
  var uncorrected: Set<Int> = []
}
