/// One of the numbers that training keeps of each weight, beside others of its kind.
public struct StateMember: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    case weights
    case average
    case moment
  }

  public let kind: Kind
  /// The name of its group in a checkpoint's files: PyTorch's where it has one.
  public let name: String

  public static let weights = StateMember(kind: .weights, name: "model")
  public static let firstMoment = StateMember(kind: .moment, name: "exp_avg")
  public static let secondMoment = StateMember(kind: .moment, name: "exp_avg_sq")
  public static func average(_ name: String) -> StateMember { StateMember(kind: .average, name: name) }
  /// The average that samples are drawn with.
  public static let ema = average(StateSchema.ema)

  /// The weights, or one of their averages.
  public static func weights(named name: String) -> StateMember {
    name == weights.name ? weights : average(name)
  }
}

/// All that training keeps of each weight: the one place that says so. Memory, checkpoints and comparisons follow it.
public struct StateSchema: Hashable, Sendable {
  /// The averages of the weights; the first is the one that samples are drawn with.
  public let averages: [String]

  /// The first average's name.
  public static let ema = "ema"

  /// - Parameter furtherAverages: the names of those beside the first.
  public init(furtherAverages: [String] = []) {
    averages = [Self.ema] + furtherAverages
    precondition(Set(all.map(\.name)).count == all.count, "two averages of one name: \(averages)")
  }

  /// What a model is used with.
  public var model: [StateMember] { [.weights] + averages.map { .average($0) } }
  /// What only the next update needs: Adam's moments.
  public var optimizer: [StateMember] { [.firstMoment, .secondMoment] }
  public var all: [StateMember] { model + optimizer }
}
