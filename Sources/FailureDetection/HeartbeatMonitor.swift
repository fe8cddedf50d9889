import Foundation
import Synchronization

/// A thread that ends the run when a rank dies, stops responding, or makes no progress, so that no other rank waits for
/// it forever.
///
/// It drives a `FailureDetector` with the system clock and its own TCP connections, independent of MPI, so that a
/// hanging MPI call does not block it.
public final class HeartbeatMonitor: Sendable {
  /// What every rank knows about the ranks of a run.
  public struct Ranks: Sendable {
    let hosts: [String]
    let locations: [RankLocation]
    let endpoints: [String]

    /// - Parameters:
    ///   - hosts: the host name of every rank.
    ///   - endpoints: the `HeartbeatEndpoint.text` of every rank.
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

  /// Starts the thread, which runs until the process ends.
  ///
  /// - Parameters:
  ///   - endpoint: this rank's endpoint.
  ///   - key: the run's secret key.
  ///   - timeout: seconds for which a rank may be silent or without progress.
  ///   - onSlow: called on one rank, with a message about ranks that keep the others waiting but are still working.
  ///   - onFailure: ends the process; the report is nil if another rank writes it.
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

  /// Records that the rank enters a phase.
  public func enter(_ activity: Activity, step: Int) {
    let now = Self.now
    state.withLock { $0 = State(activity: activity, step: step, since: now) }
  }

  private static var now: Double { ProcessProgress.seconds(of: CLOCK_MONOTONIC) }

  private func run(_ transport: LinkTransport) {
    var progress = ProcessProgress(now: Self.now)
    while true {
      // Poll before reading the time, so that frames received while this process was stopped count as heard.
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
