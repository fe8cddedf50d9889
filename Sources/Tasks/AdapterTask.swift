import Layers
import Tensors

/// Trains an adapter on top of a frozen network, and possibly of the text encoder that it attends to, with the losses of
/// another task.
public struct AdapterTask: TrainingTask {
  private let task: any TrainingTask
  private let adapter: JointAdapter
  private let weights: ParameterBuffer
  private let encoder: BoundParameters?
  private let dropout: Double
  private let seed: UInt64

  /// - Parameters:
  ///   - task: the task that would train the network itself.
  ///   - weights: the network's weights.
  ///   - encoder: the parameters of the text encoder, if it is adapted; the task then embeds its texts on the tape.
  ///   - dropout: probability with which an input of an adapter is dropped.
  public init(
    _ adapter: JointAdapter, of task: any TrainingTask, weights: ParameterBuffer,
    encoder: BoundParameters? = nil, dropout: Double, seed: UInt64
  ) {
    precondition(
      weights.count == task.parameters.flatCount,
      "\(weights.count) weights for a network of \(task.parameters.flatCount)")
    self.task = task
    self.adapter = adapter
    self.weights = weights
    self.encoder = encoder
    self.dropout = dropout
    self.seed = seed
  }

  public var parameters: ParameterLayout { adapter.parameters }

  public var frozen: [BoundParameters] {
    task.frozen + [BoundParameters(task.parameters.set, weights: weights)] + (encoder.map { [$0] } ?? [])
  }

  public var lossNames: [String] { task.lossNames }

  public func adaptation(of input: TaskInput) -> (any WeightAdaptation)? {
    guard dropout > 0, input.use == .training else { return adapter }
    return adapter.dropping(probability: Float(dropout), samples: input.trainingSamples(seed: seed))
  }

  public func randomSamples(of input: TaskInput) -> TrainingSamples? { task.randomSamples(of: input) }

  public func losses(of input: TaskInput, on tape: Tape) -> TaskLosses { task.losses(of: input, on: tape) }
}
