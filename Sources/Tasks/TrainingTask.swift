import Datasets
import Layers
import Tensors

/// What is trained, and by which loss. A task knows neither ranks nor updates: it computes the losses of one
/// micro-batch, wherever that runs.
public protocol TrainingTask: Sendable {
  /// The parameters that training moves.
  var parameters: ParameterLayout { get }
  /// Sets that the losses need beside them, such as an encoder's, with their weights; the same on all ranks.
  var frozen: [BoundParameters] { get }
  /// The parts of the loss that are reported by name, in the order of `TaskLosses.parts`; the loss itself is not one.
  var lossNames: [String] { get }

  /// What changes weights of the frozen sets on the tape of a micro-batch; nil: nothing.
  func adaptation(of input: TaskInput) -> (any WeightAdaptation)?

  /// What layers of the network draw random numbers by on the tape of a micro-batch; nil: they leave out what is random.
  func randomSamples(of input: TaskInput) -> TrainingSamples?

  /// The losses of a micro-batch, on a tape that has bound `parameters` and `frozen`. Random numbers are functions of
  /// the seed, the step and the samples' positions in the step's batch.
  func losses(of input: TaskInput, on tape: Tape) -> TaskLosses
}

extension TrainingTask {
  public var frozen: [BoundParameters] { [] }
  public var lossNames: [String] { [] }
  public func adaptation(of input: TaskInput) -> (any WeightAdaptation)? { nil }
  public func randomSamples(of input: TaskInput) -> TrainingSamples? { nil }
}

/// One micro-batch of a step.
public struct TaskInput {
  /// What this rank has read for the step.
  public let batch: Loader.Batch
  /// The places of the micro-batch's samples in `batch`.
  public let places: Range<Int>
  /// Their positions in the step's batch, over all ranks.
  public let samples: Range<Int>
  /// Steps done before this one.
  public let step: Int
  /// What the losses are for.
  public let use: Use
  /// What a `WholeBatchTask` knows of all samples of the step; nil where it knows only these.
  public let wholeBatch: WholeBatch?
  /// What learns of the phases of the computation; nil: nothing is measured.
  public let profile: Profile?

  public enum Use: Sendable {
    case training
    /// Losses of held-out samples that are compared from one time to the next: what is random about them depends on the
    /// seed and the sample only, and nothing is left out.
    case validation
  }

  public init(
    batch: Loader.Batch, places: Range<Int>, samples: Range<Int>, step: Int, use: Use = .training,
    wholeBatch: WholeBatch? = nil, profile: Profile? = nil
  ) {
    precondition(places.count == samples.count, "\(places.count) places for \(samples.count) samples")
    self.batch = batch
    self.places = places
    self.samples = samples
    self.step = step
    self.use = use
    self.wholeBatch = wholeBatch
    self.profile = profile
  }

  func trainingSamples(seed: UInt64) -> TrainingSamples {
    TrainingSamples(seed: seed, step: step, positions: samples)
  }
}

/// Means over a micro-batch.
public struct TaskLosses {
  /// What is minimised.
  public let total: Loss
  /// The values of `TrainingTask.lossNames`.
  public let parts: [Double]

  public init(total: Loss, parts: [Double] = []) {
    self.total = total
    self.parts = parts
  }
}
