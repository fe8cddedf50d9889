import Kernels

/// A method that goes from noise to image, one evaluation of the network after the other.
///
/// A sampler owns neither noise nor guidance nor the network: ``SamplingLoop`` asks it where to evaluate, gives it the
/// estimates made there, and gets the next x. Images are independent: every operation is element by element.
public protocol Sampler {
  /// The evaluations of the network, in order.
  var evaluations: [Evaluation] { get }
  /// Which estimates it reads.
  var needs: EstimateNeeds { get }

  /// Moves x from evaluation `index` to where that leads.
  mutating func advance(_ x: inout [Float], from index: Int, with estimate: Estimate, in context: StepContext)
}

/// One evaluation of the network.
public struct Evaluation: Hashable, Sendable {
  public let point: PathPoint
  /// Where x lies when it has been used.
  public let next: PathPoint
  /// The step that it belongs to, from 0.
  public let step: Int
  /// The deviation of the noise that is added to x before (Karras et al., 2022, algorithm 2, line 6); 0: none.
  public let churn: Double

  init(point: PathPoint, next: PathPoint, step: Int, churn: Double = 0) {
    self.point = point
    self.next = next
    self.step = step
    self.churn = churn
  }
}

/// What a sampler reads of the network's output.
public struct EstimateNeeds: OptionSet, Sendable {
  public let rawValue: Int
  public init(rawValue: Int) { self.rawValue = rawValue }
  /// x_0, clipped if that is wanted.
  public static let image = EstimateNeeds(rawValue: 1)
  /// ε, as the network has it.
  public static let noise = EstimateNeeds(rawValue: 2)
}

/// What the network's output says, of all images [n · size] each. What was not asked for is empty.
public struct Estimate {
  public let image: [Float]
  public let noise: [Float]
  /// The output for learned variances; empty without.
  public let variance: [Float]
}

/// What a step may use beside the estimate.
public struct StepContext {
  public let threads: ThreadPool
  /// Fresh standard normal noise [n · size] of the step. Each call of a step gives the same.
  public let freshNoise: () -> [Float]
}

extension SamplingPath {
  /// One evaluation for each step.
  var evaluations: [Evaluation] {
    points.indices.map { Evaluation(point: points[$0], next: next($0), step: $0) }
  }
}
