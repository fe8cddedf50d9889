import Datasets
import Layers
import Tensors

/// What is trained, and with which loss. A task is independent of ranks and updates: it computes the losses of one
/// micro-batch, wherever that runs.
public protocol TrainingTask: Sendable {
  /// The parameters that training updates.
  var parameters: ParameterLayout { get }
  /// Further parameter sets that the losses need, such as an encoder's, with their weights; the same on all ranks.
  var frozen: [BoundParameters] { get }
  /// Names of the reported parts of the loss, in the order of `TaskLosses.parts`; excludes the loss itself.
  var lossNames: [String] { get }

  /// The adaptation of frozen weights on the tape of a micro-batch; nil leaves them unchanged.
  func adaptation(of input: TaskInput) -> (any WeightAdaptation)?

  /// The samples from which layers derive random numbers on the tape of a micro-batch; nil disables random layers.
  func randomSamples(of input: TaskInput) -> TrainingSamples?

  /// The losses of a micro-batch, on a tape to which `parameters` and `frozen` are bound. Random numbers are functions
  /// of the seed, the step and the samples' positions in the step's batch.
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
  /// The samples that this rank has read for the step.
  public let batch: Loader.Batch
  /// Indices of the micro-batch's samples in `batch`.
  public let places: Range<Int>
  /// Positions of the samples in the step's batch, over all ranks.
  public let samples: Range<Int>
  /// Steps completed before this one.
  public let step: Int
  /// What the losses are used for.
  public let use: Use
  /// What a `WholeBatchTask` computed over all samples of the step; nil if only this micro-batch is known.
  public let wholeBatch: WholeBatch?
  /// Receives the phases of the computation; nil disables measuring.
  public let profile: Profile?

  public enum Use: Sendable {
    case training
    /// Losses of held-out samples, comparable over the run: random numbers depend only on the seed and the sample, and
    /// nothing is dropped.
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
  /// The loss to minimise.
  public let total: Loss
  /// The values of `TrainingTask.lossNames`.
  public let parts: [Double]

  public init(total: Loss, parts: [Double] = []) {
    self.total = total
    self.parts = parts
  }
}
