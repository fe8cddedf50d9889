import Configuration
import DataParallel
import Kernels
import Layers
import Tensors

/// The part of a run's state held by one rank: all weights, which are the same on all ranks, and this rank's shards of
/// what only the update needs (ZeRO stage 1; Rajbhandari et al., 2020). A rank's memory and update time decrease with
/// the number of ranks.
public final class ShardedState {
  public let layout: ParameterLayout
  public let schema: StateSchema
  /// The ranges of this rank's parts in the flat buffer.
  public let parts: [Range<Int>]
  /// The number of completed steps.
  public var step: Int
  /// The values that an update changes.
  package var values: Values
  public var weights: ParameterBuffer { values.weights }
  /// The first average of the weights; a view of the weights if none is kept.
  public var ema: ParameterShard { values.ema }
  /// The remaining averages, in the order of the schema.
  package let furtherAverages: [ParameterShard]
  public let keepsEMA: Bool
  public var firstMoment: ParameterShard { values.firstMoment }
  public var secondMoment: ParameterShard { values.secondMoment }

  /// This rank's shard of `member`; nil for the weights, which every rank holds in full.
  package func shard(_ member: StateMember) -> ParameterShard? {
    switch member {
    case .weights: return nil
    case .firstMoment: return firstMoment
    case .secondMoment: return secondMoment
    default:
      guard let index = schema.averages.firstIndex(of: member.name) else {
        preconditionFailure("a state of \(schema.all.map(\.name)) has no \(member.name)")
      }
      return index == 0 ? ema : furtherAverages[index - 1]
    }
  }

  /// Whether a member shares the memory of the weights rather than having its own.
  func isView(_ member: StateMember) -> Bool { !keepsEMA && member == .ema }

  /// The weights, and this rank's shards of the values that accompany them.
  package struct Values {
    package let weights: ParameterBuffer
    package let ema: ParameterShard
    package let firstMoment: ParameterShard
    package let secondMoment: ParameterShard

    /// The values from `offset` in the flat buffer, which lies in the part at `index`.
    package func pointers(part index: Int, at offset: Int) -> AdamUpdate.Values {
      let place = offset - firstMoment.parts[index].lowerBound
      return AdamUpdate.Values(
        weights: weights.pointer + offset, firstMoment: firstMoment.pointer(index) + place,
        secondMoment: secondMoment.pointer(index) + place, ema: ema.pointer(index) + place)
    }

    /// The values of `range`, for a rank that holds all of them, so that its parts are contiguous in memory.
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
  ///   - keepsEMA: false if the first average's decay is 0, which makes it identical to the weights.
  ///   - isShared: whether there are other ranks that may map the weights.
  public convenience init(
    layout: ParameterLayout, seed: UInt64, parts: [Range<Int>], schema: StateSchema = StateSchema(),
    keepsEMA: Bool = true, isShared: Bool = false
  ) {
    let weights = layout.initialWeights(seed: seed, isShared: isShared)
    self.init(
      layout: layout, schema: schema, step: 0, weights: weights,
      ema: keepsEMA
        ? ParameterShard(of: weights, parts: parts) : ParameterShard(viewing: weights, parts: parts),
      keepsEMA: keepsEMA,
      furtherAverages: schema.averages.dropFirst().map { _ in ParameterShard(of: weights, parts: parts) },
      firstMoment: ParameterShard(parts: parts), secondMoment: ParameterShard(parts: parts))
  }

  /// A rank's share of the state before the first step of a run.
  package convenience init(
    _ configuration: TrainingConfiguration, layout: ParameterLayout, plan: BucketPlan, rank: Int
  ) {
    self.init(
      layout: layout, seed: configuration.training.seed, parts: plan.parts(of: rank),
      schema: StateSchema(configuration.ema), keepsEMA: configuration.ema.first != nil,
      isShared: plan.worldSize > 1)
  }

  /// Initialises the weights and averages from the given weights instead of random ones. They may cover only the first
  /// parameters.
  package func begin(from weights: ParameterBuffer) {
    precondition(
      step == 0 && weights.count <= self.weights.count,
      "\(weights.count) weights for \(self.weights.count) at step \(step)")
    self.weights.pointer.update(from: weights.pointer, count: weights.count)
    for average in [ema] + furtherAverages { average.load(from: self.weights) }
  }

  /// A rank's share of `whole`.
  package convenience init(_ whole: TrainingState, parts: [Range<Int>]) {
    let weights = ParameterBuffer(count: whole.weights.count)
    weights.copy(from: whole.weights)
    self.init(
      layout: whole.layout, schema: whole.schema, step: whole.step, weights: weights,
      ema: ParameterShard(of: whole[.ema], parts: parts), keepsEMA: true,
      furtherAverages: whole.schema.averages.dropFirst().map {
        ParameterShard(of: whole[.average($0)], parts: parts)
      },
      firstMoment: ParameterShard(of: whole[.firstMoment], parts: parts),
      secondMoment: ParameterShard(of: whole[.secondMoment], parts: parts))
  }

  private init(
    layout: ParameterLayout, schema: StateSchema, step: Int, weights: ParameterBuffer, ema: ParameterShard,
    keepsEMA: Bool, furtherAverages: [ParameterShard], firstMoment: ParameterShard,
    secondMoment: ParameterShard
  ) {
    self.layout = layout
    self.schema = schema
    self.furtherAverages = furtherAverages
    self.step = step
    self.keepsEMA = keepsEMA
    values = Values(
      weights: weights, ema: ema, firstMoment: firstMoment, secondMoment: secondMoment)
    parts = ema.parts
  }

  /// Allocates memory for the values after an update, except for the weights, which are given.
  package func newValues(weights: ParameterBuffer) -> Values {
    Values(
      weights: weights,
      ema: keepsEMA ? ParameterShard(parts: parts) : ParameterShard(viewing: weights, parts: parts),
      firstMoment: ParameterShard(parts: parts), secondMoment: ParameterShard(parts: parts))
  }

  /// Gathers the average from all ranks, on every rank. Collective.
  ///
  /// - Throws: `MPIError`.
  public func gatheredEMA(by exchange: GradientExchange) throws -> ParameterBuffer {
    let whole = ParameterBuffer(count: layout.flatCount)
    ema.store(to: whole)
    try exchange.gather(whole)
    return whole
  }
}

extension StateSchema {
  /// The schema of a run with these averages.
  public init(_ averages: AverageSettings) { self.init(furtherAverages: averages.further.map(\.name)) }
}
