import DataParallel
import Kernels
import Layers
import Tensors

/// What one rank holds of a run: all weights, which are the same on all ranks, and its parts of what only the update
/// needs (Rajbhandari et al., 2020, stage 1). With the number of ranks a rank's share of memory and of the update's
/// time falls.
public final class RankState {
  public let layout: ParameterLayout
  /// Where this rank's parts lie in the flat memory.
  public let parts: [Range<Int>]
  /// Of the layout.
  let segments: [ParameterLayout.Segment]
  /// Steps done.
  public var step: Int
  /// What an update changes.
  var values: Values
  public var weights: FlatMemory { values.weights }
  /// Of the weights. A view of them if none is kept.
  public var average: FlatShard { values.average }
  public let keepsAverage: Bool
  public var firstMoment: FlatShard { values.firstMoment }
  public var secondMoment: FlatShard { values.secondMoment }

  /// Weights, and a rank's parts of what belongs to them.
  struct Values {
    let weights: FlatMemory
    let average: FlatShard
    let firstMoment: FlatShard
    let secondMoment: FlatShard

    /// The values from `offset` of the flat memory on, which lies in part number `index`.
    func pointers(part index: Int, at offset: Int) -> AdamUpdate.Values {
      let place = offset - firstMoment.parts[index].lowerBound
      return AdamUpdate.Values(
        weights: weights.pointer + offset, firstMoment: firstMoment.pointer(index) + place,
        secondMoment: secondMoment.pointer(index) + place, average: average.pointer(index) + place)
    }

    /// The values of `range`, for a rank that has all of them: then parts follow each other in memory as well.
    func pointers(at range: Range<Int>) -> AdamUpdate.Values {
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
  ///   - keepsAverage: false if the average's decay is 0, which makes it the weights themselves.
  ///   - isShared: whether there are other ranks, who may look at the weights.
  public convenience init(
    layout: ParameterLayout, seed: UInt64, parts: [Range<Int>], keepsAverage: Bool = true,
    isShared: Bool = false
  ) {
    let weights = layout.initialWeights(seed: seed, isShared: isShared)
    self.init(
      layout: layout, step: 0, weights: weights,
      average: keepsAverage
        ? FlatShard(of: weights, parts: parts) : FlatShard(viewing: weights, parts: parts),
      keepsAverage: keepsAverage, firstMoment: FlatShard(parts: parts), secondMoment: FlatShard(parts: parts))
  }

  /// A rank's share of the state before the first step of a run.
  convenience init(_ settings: TrainingSettings, layout: ParameterLayout, plan: BucketPlan, rank: Int) {
    self.init(
      layout: layout, seed: settings.seed, parts: plan.parts(of: rank),
      keepsAverage: settings.averageDecay > 0, isShared: plan.worldSize > 1)
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
    segments = layout.segments
    self.step = step
    self.keepsAverage = keepsAverage
    values = Values(
      weights: weights, average: average, firstMoment: firstMoment, secondMoment: secondMoment)
    parts = average.parts
  }

  /// Memory for the values after an update, the weights' given.
  func newValues(weights: FlatMemory) -> Values {
    Values(
      weights: weights,
      average: keepsAverage ? FlatShard(parts: parts) : FlatShard(viewing: weights, parts: parts),
      firstMoment: FlatShard(parts: parts), secondMoment: FlatShard(parts: parts))
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
