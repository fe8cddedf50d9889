/// A failure that ends the run, for people to read and for the log.
public struct FailureReport: Sendable, Equatable {
  /// The hosts that a run can do without, each once: those of failed ranks that do not answer or make no progress. One whose
  /// process alone has ended is well.
  public let hosts: [String]
  public let ranks: [Int]
  /// One message of several lines: who, why, what to do, and what each rank was doing.
  public let message: String

  package init(
    failedRanks: [RankHealth.FailedRank], own: (rank: Int, host: String, status: RankStatus), peers: [Peer]
  ) {
    ranks = failedRanks.map(\.rank)
    let byRank = Dictionary(uniqueKeysWithValues: peers.map { ($0.rank, $0) })
    let accused = failedRanks.compactMap { failedRank in
      byRank[failedRank.rank].map { (failedRank.cause, $0) }
    }
    hosts = accused.filter { $0.0 != .ended }.map(\.1.host).reduce(into: []) {
      if !$0.contains($1) { $0.append($1) }
    }

    var sentences = accused.map { Self.sentence($0, $1, worldSize: peers.count + 1) }
    if sentences.isEmpty {
      sentences = [
        "all \(peers.count + 1) ranks have waited for one another for \(Int(own.status.seconds)) s, although all "
          + "answer: the network that MPI uses between them may be broken"
      ]
    }
    let advice = "The last checkpoint is good: the same command goes on from it."
    let states =
      [(own.rank, "rank \(own.rank) on \(own.host)", own.status.text + Self.duration(own.status.seconds))]
      + peers.map { ($0.rank, "rank \($0.rank) on \($0.host)", Self.state($0)) }
    message =
      sentences.joined(separator: "; ") + ". \(advice) What each rank was doing:\n"
      + Self.lines(states.sorted { $0.0 < $1.0 }.map { ($0.1, $0.2) }).joined(separator: "\n")
  }

  private static func sentence(_ cause: RankHealth.FailedRank.Cause, _ peer: Peer, worldSize: Int) -> String {
    let name = "rank \(peer.rank) of \(worldSize) on \(peer.host)"
    return switch cause {
    case .ended: "\(name) is gone: its process was killed, or has crashed"
    case .silent:
      "\(name) has not answered for \(Int(peer.silence)) s: the host, its network or the process stands still"
    case .stuck:
      "\(name) answers, but has neither computed nor read or written anything for "
        + "\(Int(peer.status.idleSeconds + peer.silence)) s while \(peer.status.text): "
        + "look at the file systems that it uses"
    case .unreached: "\(name) could not be asked what it does, and all others wait"
    }
  }

  private static func state(_ peer: Peer) -> String {
    switch peer.contact {
    case .none: "not known"
    case .lost: "gone; before that \(peer.status.text)"
    case .open:
      peer.status.text + duration(peer.status.seconds + peer.silence)
        + (peer.silence >= 5 ? ", as it said \(Int(peer.silence)) s ago" : "")
    }
  }

  private static func duration(_ seconds: Double) -> String { ", for \(Int(seconds)) s" }

  /// Beyond this many ranks, those that do the same share a line.
  private static let linesAtMost = 32

  private static func lines(_ states: [(name: String, state: String)]) -> [String] {
    guard states.count > linesAtMost else { return states.map { "  \($0.name): \($0.state)" } }
    let groups = Dictionary(grouping: states) { $0.state.prefix { $0 != "," } }
    return groups.sorted { $0.value.count < $1.value.count }.map { state, members in
      let others = members.count > 4 ? " and \(members.count - 4) more" : ""
      return "  \(members.prefix(4).map(\.name).joined(separator: ", "))\(others): \(state)"
    }
  }
}
