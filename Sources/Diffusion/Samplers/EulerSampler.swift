/// Euler's method for dx/dσ = (x - x_0) / σ (Karras et al., 2022, equation 3): x = α' x_0 + σ' (x - α x_0) / σ.
/// Applies to x in which the image has the factor 1, and to the straight lines of a flow, where σ is t and α is 1 - t.
struct EulerSampler: Sampler {
  let evaluations: [Evaluation]

  init(_ path: SamplingPath, churn: Churn) {
    evaluations = path.points.indices.map { churn.evaluation(of: path, step: $0) }
  }

  var needs: EstimateNeeds { .image }

  mutating func advance(
    _ x: inout [Float], from index: Int, with estimate: Estimate, in context: StepContext
  ) {
    let (point, next) = (evaluations[index].point, evaluations[index].next)
    let ratio = next.noise / point.noise
    x = LinearCombination.of(
      [(next.signal - ratio * point.signal, estimate.image), (ratio, x)], threads: context.threads)
  }
}

/// Noise added before a step, which the step then removes (Karras et al., 2022, algorithm 2, lines 4 to 6).
public struct Churn: Hashable, Sendable {
  /// S_churn; 0 disables it.
  public var amount: Double
  /// S_tmin and S_tmax: the range of σ in which noise is added.
  public var least: Double
  public var most: Double
  /// S_noise: the standard deviation of the added noise.
  public var deviation: Double

  public init(amount: Double = 0, least: Double = 0, most: Double = .infinity, deviation: Double = 1) {
    self.amount = amount
    self.least = least
    self.most = most
    self.deviation = deviation
  }

  /// The first evaluation of a step, at σ (1 + γ) with γ = min(S_churn / K, sqrt(2) - 1).
  func evaluation(of path: SamplingPath, step: Int) -> Evaluation {
    let point = path.points[step]
    let gamma = min(amount / Double(path.points.count), 2.0.squareRoot() - 1)
    guard gamma > 0, least <= point.noise, point.noise <= most else {
      return Evaluation(point: point, next: path.next(step), step: step)
    }
    let raised = path.raised(point, point.noise * (1 + gamma))
    let added = (raised.noise * raised.noise - point.noise * point.noise).squareRoot()
    return Evaluation(point: raised, next: path.next(step), step: step, churn: deviation * added)
  }
}
