import Layers
import Tensors

/// What a run consists of between two steps, all of it in one place: what a checkpoint holds. All else follows from the
/// configuration and the step's number. A rank that trains holds a ``RankState``.
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
  public convenience init(layout: ParameterLayout, seed: UInt64) {
    let weights = layout.initialWeights(seed: seed)
    let average = FlatMemory(count: layout.flatCount)
    average.copy(from: weights)
    self.init(
      layout: layout, step: 0, weights: weights, average: average,
      firstMoment: FlatMemory(count: layout.flatCount), secondMoment: FlatMemory(count: layout.flatCount))
  }

  init(
    layout: ParameterLayout, step: Int, weights: FlatMemory, average: FlatMemory, firstMoment: FlatMemory,
    secondMoment: FlatMemory
  ) {
    self.layout = layout
    self.step = step
    self.weights = weights
    self.average = average
    self.firstMoment = firstMoment
    self.secondMoment = secondMoment
  }
}
