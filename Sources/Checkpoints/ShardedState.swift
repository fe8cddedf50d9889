import Configuration
import DataParallel
import Kernels
import Layers
import Tensors

/// What one rank holds of a run: all weights, which are the same on all ranks, and its parts of what only the update
/// needs (Rajbhandari et al., 2020, stage 1). With the number of ranks a rank's share of memory and of the update's
/// time falls.
public final class ShardedState {
  public let layout: ParameterLayout
  /// Where this rank's parts lie in the flat memory.
  public let parts: [Range<Int>]
  /// Steps done.
  public var step: Int
  /// What an update changes.
  package var values: Values
  public var weights: ParameterBuffer { values.weights }
  /// Of the weights. A view of them if none is kept.
  public var ema: ParameterShard { values.ema }
  public let keepsEMA: Bool
  public var firstMoment: ParameterShard { values.firstMoment }
  public var secondMoment: ParameterShard { values.secondMoment }

  /// Weights, and a rank's parts of what belongs to them.
  package struct Values {
    package let weights: ParameterBuffer
    package let ema: ParameterShard
    package let firstMoment: ParameterShard
    package let secondMoment: ParameterShard

    /// The values from `offset` of the flat memory on, which lies in part number `index`.
    package func pointers(part index: Int, at offset: Int) -> AdamUpdate.Values {
      let place = offset - firstMoment.parts[index].lowerBound
      return AdamUpdate.Values(
        weights: weights.pointer + offset, firstMoment: firstMoment.pointer(index) + place,
        secondMoment: secondMoment.pointer(index) + place, ema: ema.pointer(index) + place)
    }

    /// The values of `range`, for a rank that has all of them: then parts follow each other in memory as well.
    package func pointers(at range: Range<Int>) -> AdamUpdate.Values {
      let parts = firstMoment.parts
      precondition(
        parts.first?.lowerBound == 0
          && zip(parts, parts.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound }
          && parts.last.map { range.upperBound <= $0.upperBound } == true, "\(range) lies outside of \(parts)"
      )
      return pointers(part: 0, at: range.lowerBound)
    }
  }

  /// The state before the first step.
  ///
  /// - Parameters:
  ///   - keepsEMA: false if the average's decay is 0, which makes it the weights themselves.
  ///   - isShared: whether there are other ranks, who may look at the weights.
  public convenience init(
    layout: ParameterLayout, seed: UInt64, parts: [Range<Int>], keepsEMA: Bool = true,
    isShared: Bool = false
  ) {
    let weights = layout.initialWeights(seed: seed, isShared: isShared)
    self.init(
      layout: layout, step: 0, weights: weights,
      ema: keepsEMA
        ? ParameterShard(of: weights, parts: parts) : ParameterShard(viewing: weights, parts: parts),
      keepsEMA: keepsEMA, firstMoment: ParameterShard(parts: parts),
      secondMoment: ParameterShard(parts: parts))
  }

  /// A rank's share of the state before the first step of a run.
  package convenience init(_ settings: TrainingSettings, layout: ParameterLayout, plan: BucketPlan, rank: Int)
  {
    self.init(
      layout: layout, seed: settings.seed, parts: plan.parts(of: rank),
      keepsEMA: settings.emaDecay > 0, isShared: plan.worldSize > 1)
  }

  /// A rank's share of `whole`.
  package convenience init(_ whole: TrainingState, parts: [Range<Int>]) {
    let weights = ParameterBuffer(count: whole.weights.count)
    weights.copy(from: whole.weights)
    self.init(
      layout: whole.layout, step: whole.step, weights: weights,
      ema: ParameterShard(of: whole.ema, parts: parts), keepsEMA: true,
      firstMoment: ParameterShard(of: whole.firstMoment, parts: parts),
      secondMoment: ParameterShard(of: whole.secondMoment, parts: parts))
  }

  private init(
    layout: ParameterLayout, step: Int, weights: ParameterBuffer, ema: ParameterShard, keepsEMA: Bool,
    firstMoment: ParameterShard,
    secondMoment: ParameterShard
  ) {
    self.layout = layout
    self.step = step
    self.keepsEMA = keepsEMA
    values = Values(
      weights: weights, ema: ema, firstMoment: firstMoment, secondMoment: secondMoment)
    parts = ema.parts
  }

  /// Memory for the values after an update, the weights' given.
  package func newValues(weights: ParameterBuffer) -> Values {
    Values(
      weights: weights,
      ema: keepsEMA ? ParameterShard(parts: parts) : ParameterShard(viewing: weights, parts: parts),
      firstMoment: ParameterShard(parts: parts), secondMoment: ParameterShard(parts: parts))
  }

  /// All ranks' parts of the average, on every rank. Collective.
  ///
  /// - Throws: `MPIError`.
  public func gatheredEMA(by exchange: GradientExchange) throws -> ParameterBuffer {
    let whole = ParameterBuffer(count: layout.flatCount)
    ema.store(to: whole)
    try exchange.gather(whole)
    return whole
  }
}
