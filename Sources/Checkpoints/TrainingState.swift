import Layers
import Tensors

/// What a run consists of between two steps, all of it in one place: what a checkpoint holds. All else follows from the
/// configuration and the step's number. A rank that trains holds a ``ShardedState``.
public final class TrainingState {
  public let layout: ParameterLayout
  /// Steps done.
  public var step: Int
  public let weights: ParameterBuffer
  public let schema: StateSchema
  /// All but the weights.
  private let others: [StateMember: ParameterBuffer]

  /// The state before the first step: averages are the weights, moments 0.
  public init(layout: ParameterLayout, seed: UInt64, schema: StateSchema = StateSchema()) {
    self.layout = layout
    self.schema = schema
    step = 0
    weights = layout.initialWeights(seed: seed)
    others = Dictionary(
      uniqueKeysWithValues: schema.all.filter { $0 != .weights }.map {
        ($0, ParameterBuffer(count: layout.flatCount))
      })
    copyWeightsToAverages()
  }

  public subscript(_ member: StateMember) -> ParameterBuffer {
    if member == .weights { return weights }
    guard let memory = others[member] else {
      preconditionFailure("a state of \(schema.all.map(\.name)) has no \(member.name)")
    }
    return memory
  }

  /// Makes all averages those of weights that have always been what they are.
  public func copyWeightsToAverages() {
    for average in schema.averages { self[.average(average)].copy(from: weights) }
  }
}
