/// Euler's method down to σ_down, followed by noise with standard deviation σ_up, where σ_up² = σ'² (σ² - σ'²) / σ² is
/// the variance of a draw from the posterior, and σ_down² + σ_up² = σ'² (k-diffusion's `get_ancestral_step`, η = 1).
struct EulerAncestralSampler: Sampler {
  let evaluations: [Evaluation]

  init(_ path: SamplingPath) { evaluations = path.evaluations }

  var needs: EstimateNeeds { .image }

  mutating func advance(
    _ x: inout [Float], from index: Int, with estimate: Estimate, in context: StepContext
  ) {
    let (sigma, next) = (evaluations[index].point.noise, evaluations[index].next.noise)
    let up = (next * next * (sigma * sigma - next * next)).squareRoot() / sigma
    let ratio = max(next * next - up * up, 0).squareRoot() / sigma
    var terms = [(1 - ratio, estimate.image), (ratio, x)]
    if up > 0 { terms.append((up, context.freshNoise())) }
    x = LinearCombination.of(terms, threads: context.threads)
  }
}
