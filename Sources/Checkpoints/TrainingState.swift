import Layers
import Tensors

/// What a run consists of between two steps, all of it in one place: what a checkpoint holds. All else follows from the
/// configuration and the step's number. A rank that trains holds a ``ShardedState``.
public final class TrainingState {
  public let layout: ParameterLayout
  /// Steps done.
  public var step: Int
  public let weights: ParameterBuffer
  /// The weights' exponential moving average, which samples are drawn with.
  public let ema: ParameterBuffer
  /// Adam's first and second moments.
  public let firstMoment: ParameterBuffer
  public let secondMoment: ParameterBuffer

  /// The state before the first step.
  public convenience init(layout: ParameterLayout, seed: UInt64) {
    let weights = layout.initialWeights(seed: seed)
    let ema = ParameterBuffer(count: layout.flatCount)
    ema.copy(from: weights)
    self.init(
      layout: layout, step: 0, weights: weights, ema: ema,
      firstMoment: ParameterBuffer(count: layout.flatCount),
      secondMoment: ParameterBuffer(count: layout.flatCount))
  }

  init(
    layout: ParameterLayout, step: Int, weights: ParameterBuffer, ema: ParameterBuffer,
    firstMoment: ParameterBuffer,
    secondMoment: ParameterBuffer
  ) {
    self.layout = layout
    self.step = step
    self.weights = weights
    self.ema = ema
    self.firstMoment = firstMoment
    self.secondMoment = secondMoment
  }
}
