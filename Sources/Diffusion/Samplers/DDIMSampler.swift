/// x_s = sqrt(ᾱ_s) x_0 + sqrt(1 - ᾱ_s - σ²) ε + σ z (Song et al., 2021, "Denoising Diffusion Implicit Models",
/// equations 12 and 16). As in diffusers, clipping x_0 does not change ε.
struct DDIMSampler: Sampler {
  let evaluations: [Evaluation]
  private let eta: Double

  /// - Parameter eta: 0 adds no noise; 1 adds as much as ancestral sampling.
  init(_ path: SamplingPath, eta: Double) {
    evaluations = path.evaluations
    self.eta = eta
  }

  var needs: EstimateNeeds { [.image, .noise] }

  mutating func advance(
    _ x: inout [Float], from index: Int, with estimate: Estimate, in context: StepContext
  ) {
    let (point, next) = (evaluations[index].point, evaluations[index].next)
    let (now, before) = (point.signal * point.signal, next.signal * next.signal)
    let variance = max((1 - before) / (1 - now) * (1 - now / before), 0)
    let deviation = eta * variance.squareRoot()
    let direction = max(next.noise * next.noise - deviation * deviation, 0).squareRoot()
    var terms = [(next.signal, estimate.image), (direction, estimate.noise)]
    if deviation > 0 { terms.append((deviation, context.freshNoise())) }
    x = LinearCombination.of(terms, threads: context.threads)
  }
}
