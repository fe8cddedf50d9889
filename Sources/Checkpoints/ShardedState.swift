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
  public let schema: StateSchema
  /// Where this rank's parts lie in the flat memory.
  public let parts: [Range<Int>]
  /// Steps done.
  public var step: Int
  /// What an update changes.
  package var values: Values
  public var weights: ParameterBuffer { values.weights }
  /// The first average of the weights. A view of them if none is kept.
  public var ema: ParameterShard { values.ema }
  /// The further averages, in the schema's order.
  package let furtherAverages: [ParameterShard]
  public let keepsEMA: Bool
  public var firstMoment: ParameterShard { values.firstMoment }
  public var secondMoment: ParameterShard { values.secondMoment }

  /// This rank's parts; nil of what every rank holds whole.
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

  /// Whether a member has no memory of its own: what it is follows from the weights.
  func isView(_ member: StateMember) -> Bool { !keepsEMA && member == .ema }

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
  ///   - keepsEMA: false if the first average's decay is 0, which makes it the weights themselves.
  ///   - isShared: whether there are other ranks, who may look at the weights.
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

  /// Begins from other weights than random ones: averages are those, too. They may be of the first parameters only.
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

extension StateSchema {
  /// What a run with these averages keeps.
  public init(_ averages: AverageSettings) { self.init(furtherAverages: averages.further.map(\.name)) }
}
