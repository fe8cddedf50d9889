import Layers
import Tensors

/// Trains the vectors of a new word with the losses of a text-conditioned denoiser; denoiser and text encoder stay
/// frozen.
public struct InversionTask: TrainingTask {
  private let task: any TrainingTask
  private let table: WordTable
  private let others: [BoundParameters]

  /// - Parameters:
  ///   - task: the denoiser's task, whose texts are embedded on the tape with this table.
  ///   - weights: the denoiser's weights.
  ///   - encoder: the text encoder's parameters.
  public init(
    _ table: WordTable, of task: any TrainingTask, weights: ParameterBuffer, encoder: BoundParameters
  ) {
    self.task = task
    self.table = table
    others = [BoundParameters(task.parameters.set, weights: weights), encoder]
  }

  public var parameters: ParameterLayout { table.parameters }
  public var frozen: [BoundParameters] { task.frozen + others }
  public var lossNames: [String] { task.lossNames }

  public func losses(of input: TaskInput, on tape: Tape) -> TaskLosses { task.losses(of: input, on: tape) }
}
