/// Heun's method for dx/dσ = (x - x_0) / σ: uses the mean of the slopes at both ends of a step (Karras et al., 2022,
/// algorithm 2). The step to σ = 0 has no second slope, so K steps take 2K - 1 evaluations.
struct HeunSampler: Sampler {
  let evaluations: [Evaluation]
  /// x and x_0 at the beginning of a step whose second slope is still to be evaluated.
  private var pending: (x: [Float], image: [Float])?

  init(_ path: SamplingPath, churn: Churn) {
    evaluations = path.points.indices.flatMap { step in
      let first = churn.evaluation(of: path, step: step)
      let next = path.next(step)
      return next.noise == 0 ? [first] : [first, Evaluation(point: next, next: next, step: step)]
    }
  }

  var needs: EstimateNeeds { .image }

  mutating func advance(
    _ x: inout [Float], from index: Int, with estimate: Estimate, in context: StepContext
  ) {
    let evaluation = evaluations[index]
    if let (start, image) = pending {
      pending = nil
      let (sigma, next) = (evaluations[index - 1].point.noise, evaluation.point.noise)
      let half = 0.5 * (next - sigma)
      // x + h/2 ((x - x_0) / σ + (x' - x_0') / σ').
      x = LinearCombination.of(
        [
          (1 + half / sigma, start), (-half / sigma, image), (half / next, x),
          (-half / next, estimate.image),
        ], threads: context.threads)
      return
    }
    let (sigma, next) = (evaluation.point.noise, evaluation.next.noise)
    if next != 0 { pending = (x, estimate.image) }
    x = LinearCombination.of(
      [(1 - next / sigma, estimate.image), (next / sigma, x)], threads: context.threads)
  }
}
