/// What every rank throws when a body that the ranks ran in `Communicator.agree` failed on any of them.
public struct CollectiveFailure: Error, Sendable, CustomStringConvertible {
  /// The lowest rank that failed, in the world.
  public let rank: Int
  /// The size of the world.
  public let worldSize: Int
  /// The host of that rank.
  public let host: String
  /// What that rank's error says.
  public let message: String
  /// The exit status that that rank's error asks for, 1...255: the same on all ranks.
  public let exitStatus: Int32
  /// Whether this rank is `rank`: the one to tell the user.
  public let isReporter: Bool
  /// This rank's own error; nil where the body succeeded.
  public let ownError: (any Error)?

  public var description: String { Self.describe(message, rank: rank, worldSize: worldSize, host: host) }

  /// `message` with the place that it comes from. A process alone needs none.
  static func describe(_ message: String, rank: Int, worldSize: Int, host: String) -> String {
    worldSize == 1 ? message : "rank \(rank) of \(worldSize) on \(host): \(message)"
  }
}
