import Layers
import Tensors

/// The complete state of a run between two steps, unsharded, as stored in a checkpoint. Everything else follows from
/// the configuration and the step number. During training, a rank holds a ``ShardedState``.
public final class TrainingState {
  public let layout: ParameterLayout
  /// The number of completed steps.
  public var step: Int
  public let weights: ParameterBuffer
  public let schema: StateSchema
  /// All members except the weights.
  private let others: [StateMember: ParameterBuffer]

  /// The state before the first step: averages equal the weights, and moments are 0.
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

  /// Sets all averages to the weights.
  public func copyWeightsToAverages() {
    for average in schema.averages { self[.average(average)].copy(from: weights) }
  }
}
