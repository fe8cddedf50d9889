import Foundation
import Synchronization

/// A thread that sees to it that no rank waits for ever for one that is gone, stands still, or does not get on.
///
/// The watches of all ranks are connected to each other by TCP, apart from MPI: a call of MPI that hangs does not hang
/// them. Each tells the others a few times a second what its rank is at. When its own rank waits and another is
/// missing, the lowest rank that is well reports it and ends the run; the others leave it the time to.
public final class HeartbeatMonitor: Sendable {
  /// Seconds that a rank may take to answer.
  public let timeout: Double
  private let rank: Int
  private let host: String
  private let run: UInt64
  private let state: Mutex<State>
  private let onSlow: @Sendable (String) -> Void
  private let onFailure: @Sendable (FailureReport?) -> Void

  private struct State {
    var activity = Activity.preparing
    var step = 0
    var since: Double
  }

  /// Seconds for which a rank that is not the one to report waits for the one that is.
  private static let patience = 4.0

  /// A rank's heartbeats, before it gives up, are far fewer bytes.
  private static let firstBytesAtMost = 1 << 16

  /// Starts to watch; it goes on until the process ends.
  ///
  /// - Parameters:
  ///   - post: this rank's.
  ///   - posts: the texts of all ranks' posts.
  ///   - hosts: the names of all ranks' hosts.
  ///   - run: a number that all ranks of this run share, and no others.
  ///   - onSlow: is told, once each time, of ranks that keep the others waiting but work.
  ///   - onFailure: ends the process; the report is nil where another rank gives it.
  public init(
    post: HeartbeatEndpoint, posts: [String], hosts: [String], rank: Int, run: UInt64, timeout: Double,
    onSlow: @escaping @Sendable (String) -> Void, onFailure: @escaping @Sendable (FailureReport?) -> Void
  ) {
    precondition(timeout > 0 && posts.count == hosts.count, "\(timeout) s, \(posts.count) of \(hosts.count)")
    self.timeout = timeout
    self.rank = rank
    self.run = run
    host = hosts[rank]
    self.onSlow = onSlow
    self.onFailure = onFailure
    state = Mutex(State(since: Self.now))
    Self.allowManyFiles()
    nonisolated(unsafe) let listener = post.listener
    nonisolated(unsafe) let links = hosts.indices.filter { $0 != rank }.map { other in
      PeerLink(
        Peer(rank: other, host: hosts[other]), run: run,
        ways: other < rank
          ? HeartbeatEndpoint.ways(to: posts[other], isOnThisHost: hosts[other] == hosts[rank]) : [])
    }
    Thread.detachNewThread { [self] in watch(listener, links) }
  }

  /// The rank begins something.
  public func enter(_ activity: Activity, step: Int) {
    let now = Self.now
    state.withLock { $0 = State(activity: activity, step: step, since: now) }
  }

  private static var now: Double { ProcessProgress.seconds(of: CLOCK_MONOTONIC) }

  /// A connection for each rank can be more than the system allows at first.
  private static func allowManyFiles() {
    var limit = rlimit()
    let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    guard getrlimit(files, &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    setrlimit(files, &limit)
  }

  /// What the thread does.
  private func watch(_ listener: Socket?, _ links: [PeerLink]) {
    let interval = min(max(timeout / 20, 0.05), 1)
    var strangers: [(socket: Socket, bytes: [UInt8], since: Double)] = []
    var progress = ProcessProgress(now: Self.now)
    /// When this process last began to run after it stood still.
    var resumed = Self.now
    var last = resumed
    var nextHeartbeat = resumed
    var told: (activity: Activity, step: Int)?
    var failing: Failure?

    while true {
      let now = Self.now
      // Who was stopped, or had no processor, cannot tell how long others were silent.
      if now - last > 4 * interval + 1 {
        resumed = now
        failing = nil
        progress.restart(now: now)
        links.forEach { $0.restart(now: now) }
      }
      last = now
      let (activity, step, since) = state.withLock { ($0.activity, $0.step, $0.since) }
      let own = RankStatus(
        activity, step: step, seconds: now - max(since, resumed), idleSeconds: progress.idleSeconds(now: now))
      let heartbeat = Heartbeat(run: run, rank: rank, status: own)
      if now >= nextHeartbeat {
        links.forEach { $0.send(heartbeat, now: now) }
        nextHeartbeat = now + interval
      }
      links.forEach { $0.connectIfDue(now: now) }
      wait(listener, links, &strangers, heartbeat, seconds: max(0, min(nextHeartbeat - Self.now, interval)))

      let after = Self.now
      let peers = links.map { $0.state(now: after) }
      switch RankHealth(own: own, peers: peers, timeout: timeout) {
      case .fine: failing = nil
      case .slow(let ranks):
        failing = nil
        if told?.activity != activity || told?.step != step {
          told = (activity, step)
          let slow = peers.filter { ranks.contains($0.rank) }.prefix(4)
            .map { "rank \($0.rank) on \($0.host), \($0.status.text)" }
          let others = ranks.count > slow.count ? ", and \(ranks.count - slow.count) more" : ""
          if peers.allSatisfy({ $0.rank > rank || ranks.contains($0.rank) }) {
            onSlow("waiting for " + slow.joined(separator: ", and ") + others)
          }
        }
      case .failed(let failedRanks):
        let accused = Set(failedRanks.map(\.rank))
        // Who is to report is decided once: a rank that has done so is gone.
        let failure =
          failing
          ?? Failure(
            began: after,
            before: Set(
              peers.filter {
                $0.rank < rank && $0.contact == .open && $0.silence < 4 * interval + 1
                  && !accused.contains($0.rank)
              }.map(\.rank)))
        failing = failure
        let report = FailureReport(failedRanks: failedRanks, own: (rank, host, own), peers: peers)
        if failure.before.isEmpty {
          onFailure(report)
        } else if after - failure.began > Self.patience {
          onFailure(peers.contains { failure.before.contains($0.rank) && $0.contact == .lost } ? nil : report)
        }
      }
    }
  }

  /// A failure that this rank has found and not yet acted upon.
  private struct Failure {
    let began: Double
    /// The ranks that report it rather than this one.
    let before: Set<Int>
  }

  /// Waits for something to happen on any connection, and sees to it.
  private func wait(
    _ listener: Socket?, _ links: [PeerLink],
    _ strangers: inout [(socket: Socket, bytes: [UInt8], since: Double)],
    _ heartbeat: Heartbeat, seconds: Double
  ) {
    var polled: [pollfd] = []
    func add(_ socket: Socket?, _ events: Int32) {
      polled.append(pollfd(fd: socket?.descriptor ?? -1, events: Int16(events), revents: 0))
    }
    add(listener, POLLIN)
    links.forEach { add($0.socket, $0.isConnecting ? POLLOUT : POLLIN) }
    strangers.forEach { add($0.socket, POLLIN) }
    poll(&polled, nfds_t(polled.count), Int32((seconds * 1000).rounded(.up)))

    let now = Self.now
    for (link, result) in zip(links, polled.dropFirst()) where result.revents != 0 {
      if link.isConnecting {
        link.becameWritable(heartbeat, now: now)
      } else {
        link.becameReadable(now: now)
      }
    }
    // Who connects says who he is with his first heartbeat.
    var stillStrange: [(socket: Socket, bytes: [UInt8], since: Double)] = []
    for (index, result) in polled.dropFirst(1 + links.count).enumerated() {
      var stranger = strangers[index]
      if result.revents != 0 {
        // All that has come: who has given up meanwhile, as nobody answered for long, is not taken for a rank that is
        // gone.
        var bytes: [UInt8]?
        repeat {
          bytes = stranger.socket.receive()
          stranger.bytes += bytes ?? []
        } while bytes?.isEmpty == false && stranger.bytes.count < Self.firstBytesAtMost
        guard bytes != nil else { continue }
      }
      if stranger.bytes.count >= Heartbeat.byteCount {
        guard let first = Heartbeat(stranger.bytes.prefix(Heartbeat.byteCount)), first.run == run,
          let link = links.first(where: { $0.peer.rank == first.rank })
        else { continue }
        link.adopt(stranger.socket, stranger.bytes, now: now)
        link.send(heartbeat, now: now)
      } else if now - stranger.since < 10 {
        stillStrange.append(stranger)
      }
    }
    strangers = stillStrange
    if let listener, polled[0].revents != 0 {
      while let socket = listener.accepted() { strangers.append((socket, [], now)) }
    }
  }
}
