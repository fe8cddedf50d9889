/// A kind of value that training keeps for each weight.
public struct StateMember: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    case weights
    case average
    case moment
  }

  public let kind: Kind
  /// The name of its group in checkpoint files, following PyTorch where possible.
  public let name: String

  public static let weights = StateMember(kind: .weights, name: "model")
  public static let firstMoment = StateMember(kind: .moment, name: "exp_avg")
  public static let secondMoment = StateMember(kind: .moment, name: "exp_avg_sq")
  public static func average(_ name: String) -> StateMember { StateMember(kind: .average, name: name) }
  /// The average that samples are generated with.
  public static let ema = average(StateSchema.ema)

  /// The weights, or one of their averages.
  public static func weights(named name: String) -> StateMember {
    name == weights.name ? weights : average(name)
  }
}

/// All values that training keeps for each weight. The single definition from which memory, checkpoints and comparisons
/// are derived.
public struct StateSchema: Hashable, Sendable {
  /// The averages of the weights; samples are generated with the first.
  public let averages: [String]

  /// The name of the first average.
  public static let ema = "ema"

  /// - Parameter furtherAverages: the names of the averages other than the first.
  public init(furtherAverages: [String] = []) {
    averages = [Self.ema] + furtherAverages
    precondition(Set(all.map(\.name)).count == all.count, "two averages of one name: \(averages)")
  }

  /// The members needed to use a model.
  public var model: [StateMember] { [.weights] + averages.map { .average($0) } }
  /// The members needed only for the next update: Adam's moments.
  public var optimizer: [StateMember] { [.firstMoment, .secondMoment] }
  public var all: [StateMember] { model + optimizer }
}
