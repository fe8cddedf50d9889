import Foundation
import Synchronization

/// A thread that ends the run when a rank is gone, does not answer, or makes no progress, so that no other one waits for
/// it for ever.
///
/// It drives a `FailureDetector` with the system's clock and TCP connections of its own, apart from MPI: a call of MPI
/// that hangs does not hang it.
public final class HeartbeatMonitor: Sendable {
  /// What all ranks of a run know of each other.
  public struct Ranks: Sendable {
    let hosts: [String]
    let locations: [RankLocation]
    let endpoints: [String]

    /// - Parameters:
    ///   - hosts: the names of all ranks' hosts.
    ///   - endpoints: the texts of all ranks' endpoints.
    public init(hosts: [String], locations: [RankLocation], endpoints: [String]) {
      precondition(
        hosts.count == locations.count && hosts.count == endpoints.count,
        "\(hosts.count) hosts, \(locations.count) locations, \(endpoints.count) endpoints")
      self.hosts = hosts
      self.locations = locations
      self.endpoints = endpoints
    }
  }

  private struct State {
    var activity = Activity.preparing
    var step = 0
    var since: Double
  }

  private let rank: Int
  private let hosts: [String]
  private let state: Mutex<State>
  private let onSlow: @Sendable (String) -> Void
  private let onFailure: @Sendable (FailureReport?) -> Void

  /// Starts; it goes on until the process ends.
  ///
  /// - Parameters:
  ///   - endpoint: this rank's.
  ///   - key: the run's, of which nobody else knows.
  ///   - timeout: seconds for which a rank may be silent, or without progress.
  ///   - onSlow: is told, on one rank, of ranks that keep the others waiting but work.
  ///   - onFailure: ends the process; the report is nil where another rank gives it.
  public init(
    endpoint: HeartbeatEndpoint, ranks: Ranks, rank: Int, key: RunKey, timeout: Double,
    onSlow: @escaping @Sendable (String) -> Void, onFailure: @escaping @Sendable (FailureReport?) -> Void
  ) {
    precondition(ranks.hosts.indices.contains(rank), "rank \(rank) of \(ranks.hosts.count)")
    self.rank = rank
    hosts = ranks.hosts
    self.onSlow = onSlow
    self.onFailure = onFailure
    let now = Self.now
    state = Mutex(State(since: now))
    let detector = FailureDetector(
      rank: rank, overlay: ChordalRing(worldSize: ranks.hosts.count), timeout: timeout, now: now)
    let ways = detector.neighbours.map {
      $0 < rank ? endpoint.ways(to: ranks.endpoints[$0], at: ranks.locations[$0]) : []
    }
    nonisolated(unsafe) let transport = LinkTransport(
      detector, listeners: endpoint.listeners, ways: ways, key: key)
    Thread.detachNewThread { [self] in
      Thread.current.name = "heartbeats"
      run(transport)
    }
  }

  /// The rank enters a phase.
  public func enter(_ activity: Activity, step: Int) {
    let now = Self.now
    state.withLock { $0 = State(activity: activity, step: step, since: now) }
  }

  private static var now: Double { ProcessProgress.seconds(of: CLOCK_MONOTONIC) }

  private func run(_ transport: LinkTransport) {
    var progress = ProcessProgress(now: Self.now)
    while true {
      // Before the time is taken: what came while this process stood still counts as heard.
      transport.poll(seconds: max(0, transport.detector.nextTime - Self.now)) { Self.now }
      let now = Self.now
      let own = state.withLock { $0 }
      let outputs = transport.detector.advance(
        to: now, activity: own.activity, step: own.step, since: own.since,
        idleSeconds: progress.idleSeconds(now: now))
      for output in outputs {
        switch output {
        case .send(let frame, let link): transport.send(frame, link: link, now: now)
        case .slow(let ranks): onSlow(slowText(ranks))
        case .failed(let failure): onFailure(FailureReport(failure, reporter: rank, hosts: hosts))
        case .leave: onFailure(nil)
        }
      }
    }
  }

  private func slowText(_ ranks: [(rank: Int, status: RankStatus)]) -> String {
    let first = ranks.prefix(4).map { "rank \($0.rank) on \(hosts[$0.rank]), \($0.status.text)" }
    let more = ranks.count > first.count ? ", and \(ranks.count - first.count) more" : ""
    return "waiting for " + first.joined(separator: ", and ") + more
  }
}
