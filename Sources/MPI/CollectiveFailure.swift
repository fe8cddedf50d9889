/// The error that every rank throws when a body passed to `Communicator.agree` failed on any of them.
public struct CollectiveFailure: Error, Sendable, CustomStringConvertible {
  /// The lowest rank that failed, as numbered in the world communicator.
  public let rank: Int
  /// The size of the world.
  public let worldSize: Int
  /// That rank's host.
  public let host: String
  /// The description of that rank's error.
  public let message: String
  /// The exit status for that rank's error, 1...255; the same on all ranks.
  public let exitStatus: Int32
  /// Whether this rank is `rank`, which reports the failure to the user.
  public let isReporter: Bool
  /// This rank's own error; nil if the body succeeded.
  public let ownError: (any Error)?

  public var description: String { Self.describe(message, rank: rank, worldSize: worldSize, host: host) }

  /// `message`, prefixed with the rank and host unless there is only one process.
  static func describe(_ message: String, rank: Int, worldSize: Int, host: String) -> String {
    worldSize == 1 ? message : "rank \(rank) of \(worldSize) on \(host): \(message)"
  }
}
