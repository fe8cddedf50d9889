import DataParallel
import Layers
import Tensors

/// What one rank holds of a run: all weights, which are the same on all ranks, and its parts of what only the update
/// needs (Rajbhandari et al., 2020, stage 1). With the number of ranks a rank's share of memory and of the update's
/// time falls.
public final class RankState {
  public let layout: ParameterLayout
  /// Where this rank's parts lie in the flat memory.
  public let parts: [Range<Int>]
  /// Steps done.
  public var step: Int
  public let weights: FlatMemory
  /// Of the weights. A view of them if none is kept.
  public let average: FlatShard
  public let keepsAverage: Bool
  public let firstMoment: FlatShard
  public let secondMoment: FlatShard

  /// The state before the first step.
  ///
  /// - Parameter keepsAverage: false if the average's decay is 0, which makes it the weights themselves.
  public convenience init(
    layout: ParameterLayout, seed: UInt64, parts: [Range<Int>], keepsAverage: Bool = true
  ) {
    let weights = layout.initialWeights(seed: seed)
    self.init(
      layout: layout, step: 0, weights: weights,
      average: keepsAverage
        ? FlatShard(of: weights, parts: parts) : FlatShard(viewing: weights, parts: parts),
      keepsAverage: keepsAverage, firstMoment: FlatShard(parts: parts), secondMoment: FlatShard(parts: parts))
  }

  /// A rank's share of `whole`.
  package convenience init(_ whole: TrainingState, parts: [Range<Int>]) {
    let weights = FlatMemory(count: whole.weights.count)
    weights.copy(from: whole.weights)
    self.init(
      layout: whole.layout, step: whole.step, weights: weights,
      average: FlatShard(of: whole.average, parts: parts), keepsAverage: true,
      firstMoment: FlatShard(of: whole.firstMoment, parts: parts),
      secondMoment: FlatShard(of: whole.secondMoment, parts: parts))
  }

  private init(
    layout: ParameterLayout, step: Int, weights: FlatMemory, average: FlatShard, keepsAverage: Bool,
    firstMoment: FlatShard,
    secondMoment: FlatShard
  ) {
    self.layout = layout
    self.step = step
    self.weights = weights
    self.average = average
    self.keepsAverage = keepsAverage
    self.firstMoment = firstMoment
    self.secondMoment = secondMoment
    parts = average.parts
  }

  /// All ranks' parts of the average, on every rank. Collective.
  ///
  /// - Throws: `MPIError`.
  public func gatheredAverage(by exchange: GradientExchange) throws -> FlatMemory {
    let whole = FlatMemory(count: layout.flatCount)
    average.store(to: whole)
    try exchange.gather(whole)
    return whole
  }
}
