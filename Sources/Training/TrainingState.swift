import Layers
import Tensors

/// What a run consists of between two steps. All else follows from the configuration and the step's number.
public final class TrainingState {
  public let layout: ParameterLayout
  /// Steps done.
  public var step: Int
  public let weights: FlatMemory
  /// The weights' exponential moving average, which samples are drawn with.
  public let average: FlatMemory
  /// Adam's first and second moments.
  public let firstMoment: FlatMemory
  public let secondMoment: FlatMemory

  /// The state before the first step.
  public init(layout: ParameterLayout, seed: UInt64) {
    self.layout = layout
    step = 0
    weights = layout.initialWeights(seed: seed)
    average = FlatMemory(count: layout.flatCount)
    average.copy(from: weights)
    firstMoment = FlatMemory(count: layout.flatCount)
    secondMoment = FlatMemory(count: layout.flatCount)
  }
}
