/// A failure that ends the run, in a form for users and the log.
public struct FailureReport: Sendable, Equatable {
  /// The hosts to exclude from the next run, without duplicates: those of ranks that are silent or make no progress. A
  /// host on which only a process has died is not listed.
  public let hosts: [String]
  public let ranks: [Int]
  /// A message of several lines: which ranks failed, why, what to do, and what each rank was doing.
  public let message: String

  /// - Parameters:
  ///   - reporter: the rank that writes the report.
  ///   - hosts: the host name of every rank.
  package init(_ failure: Failure, reporter: Int, hosts: [String]) {
    let worldSize = hosts.count
    ranks = failure.failedRanks.map(\.rank)
    self.hosts = failure.failedRanks.filter { $0.cause != .ended }.map { hosts[$0.rank] }.reduce(into: []) {
      if !$0.contains($1) { $0.append($1) }
    }

    var sentences = Self.grouped(failure.failedRanks, hosts)
    if sentences.isEmpty {
      let seconds = Int(failure.statuses[reporter]?.status.seconds ?? 0)
      sentences = [
        "all \(worldSize) ranks have waited for one another for \(seconds) s, although all answer: the network that "
          + "MPI uses between them may be broken"
      ]
    }
    let gone = Set(failure.failedRanks.filter { $0.cause == .ended }.map(\.rank))
    // In a large run, only a sample of the ranks reports its status.
    let asked = worldSize > Self.linesAtMost ? failure.statuses.keys.sorted() : Array(0..<worldSize)
    let states = asked.map { rank in
      (
        name: "rank \(rank) on \(hosts[rank])",
        state: Self.state(failure.statuses[rank], isGone: gone.contains(rank))
      )
    }
    let heading =
      asked.count == worldSize
      ? "What each rank was doing" : "What \(asked.count) of the \(worldSize) ranks were doing"
    message =
      sentences.joined(separator: "; ") + ". The last checkpoint is good: the same command goes on from it. "
      + "\(heading):\n" + Self.lines(states).joined(separator: "\n")
  }

  /// Above this number of failed ranks, those with the same host and cause share a sentence.
  private static let sentencesAtMost = 16

  private static func grouped(_ failed: [Failure.FailedRank], _ hosts: [String]) -> [String] {
    guard failed.count > sentencesAtMost else {
      return failed.map { sentence($0, name: "rank \($0.rank) of \(hosts.count) on \(hosts[$0.rank])") }
    }
    let groups = Dictionary(grouping: failed) { "\(hosts[$0.rank]) \($0.cause)" }
    return groups.values.sorted { $0[0].rank < $1[0].rank }.map { members in
      let more = members.count > 1 ? " and \(members.count - 1) more ranks" : ""
      let first = members[0]
      return sentence(first, name: "rank \(first.rank) of \(hosts.count)\(more) on \(hosts[first.rank])")
    }
  }

  private static func sentence(_ failed: Failure.FailedRank, name: String) -> String {
    let last = failed.last
    return switch failed.cause {
    case .ended: "\(name) is gone: its process was killed, or has crashed"
    case .silent:
      "\(name) has not answered for \(Int(last.age)) s: the host, its network or the process stands still"
    case .stuck:
      "\(name) answers, but has neither computed nor read or written anything for "
        + "\(Int(last.status.idleSeconds + last.age)) s while \(last.status.text): "
        + "look at the file systems that it uses"
    case .unreached: "\(name) could not be asked what it does, and all others wait"
    }
  }

  private static func state(_ last: AgedStatus?, isGone: Bool) -> String {
    guard let last else { return "not known" }
    if isGone { return "gone; before that \(last.status.text)" }
    return "\(last.status.text), for \(Int(last.status.seconds + last.age)) s"
      + (last.age >= 5 ? ", as it said \(Int(last.age)) s ago" : "")
  }

  /// Above this number of ranks, those in the same state share a line.
  private static let linesAtMost = 32

  private static func lines(_ states: [(name: String, state: String)]) -> [String] {
    guard states.count > linesAtMost else { return states.map { "  \($0.name): \($0.state)" } }
    let groups = Dictionary(grouping: states) { $0.state.prefix { $0 != "," } }
    return groups.sorted { ($0.value.count, $0.value[0].name) < ($1.value.count, $1.value[0].name) }.map {
      state, members in
      let others = members.count > 4 ? " and \(members.count - 4) more" : ""
      return "  \(members.prefix(4).map(\.name).joined(separator: ", "))\(others): \(state)"
    }
  }
}
