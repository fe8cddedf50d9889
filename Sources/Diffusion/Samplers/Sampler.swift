import Kernels

/// A method that goes from noise to image by successive evaluations of the network.
///
/// A sampler owns neither the noise nor the guidance nor the network: ``SamplingLoop`` asks it where to evaluate,
/// passes it the resulting estimates, and receives the next x. Images are independent: every operation is element-wise.
public protocol Sampler {
  /// The evaluations of the network, in order.
  var evaluations: [Evaluation] { get }
  /// The estimates that it uses.
  var needs: EstimateNeeds { get }

  /// Moves x from evaluation `index` to the point it leads to.
  mutating func advance(_ x: inout [Float], from index: Int, with estimate: Estimate, in context: StepContext)
}

/// One evaluation of the network.
public struct Evaluation: Hashable, Sendable {
  public let point: PathPoint
  /// The point of x after this evaluation has been used.
  public let next: PathPoint
  /// The step it belongs to, counted from 0.
  public let step: Int
  /// The standard deviation of the noise added to x beforehand (Karras et al., 2022, algorithm 2, line 6); 0 for none.
  public let churn: Double

  init(point: PathPoint, next: PathPoint, step: Int, churn: Double = 0) {
    self.point = point
    self.next = next
    self.step = step
    self.churn = churn
  }
}

/// The estimates that a sampler needs.
public struct EstimateNeeds: OptionSet, Sendable {
  public let rawValue: Int
  public init(rawValue: Int) { self.rawValue = rawValue }
  /// x_0, clipped if clipping is enabled.
  public static let image = EstimateNeeds(rawValue: 1)
  /// ε, as predicted by the network.
  public static let noise = EstimateNeeds(rawValue: 2)
}

/// Estimates from the network's output for all images, [n · size] each. Estimates that were not requested are empty.
public struct Estimate {
  public let image: [Float]
  public let noise: [Float]
  /// The output for learned variances; empty if they are not learned.
  public let variance: [Float]
}

/// What a step may use in addition to the estimate.
public struct StepContext {
  public let threads: ThreadPool
  /// Fresh standard normal noise [n · size] for the step. Each call within a step returns the same noise.
  public let freshNoise: () -> [Float]
}

extension SamplingPath {
  /// One evaluation per step.
  var evaluations: [Evaluation] {
    points.indices.map { Evaluation(point: points[$0], next: next($0), step: $0) }
  }
}
