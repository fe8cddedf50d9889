/// The failure detection of one rank, as a state machine: it receives the time, the rank's activity and incoming
/// frames, and returns frames to send and verdicts. It uses neither clocks nor sockets.
///
/// Each rank exchanges heartbeats with its neighbours in a `ChordalRing`. What it observes about a neighbour (closed
/// link, no frames, no progress) it publishes to all ranks, which forward the record over the overlay (reliable
/// flooding, as in link-state routing). A rank is considered failed when two of its neighbours observe it and the rank
/// that decides is itself kept waiting: see `judge`. The design follows SWIM (Das, Gupta and Motivala, 2002), with
/// fixed neighbours and a fixed timeout in place of random probes, so that the detection time has an upper bound rather
/// than just an expected value.
package struct FailureDetector: Sendable {
  /// A neighbour, and the link to it.
  struct Link: Sendable {
    enum Contact: Sendable {
      /// The link is not open and has never been.
      case none
      case open
      /// The link was open and has been closed.
      case lost
    }

    let rank: Int
    var contact = Contact.none
    /// When the last frame was received, or the link was closed.
    var heard = 0.0
    /// The status as of `heard`.
    var status = RankStatus(.preparing)
    /// The cause that this rank has last published about the neighbour.
    var published: Record.Cause?
    var sequence: UInt32 = 0
    /// The activity and step for which the neighbour has been reported as slow.
    var slow: RankStatus?
  }

  package enum Output: Sendable {
    case send(Frame, link: Int)
    /// These ranks keep the others waiting but are working. Emitted on one rank, once per wait.
    case slow([(rank: Int, status: RankStatus)])
    /// The run cannot continue, and this rank reports it. Final output.
    case failed(Failure)
    /// The run cannot continue, and another rank reports it. Final output.
    case leave
  }

  /// An observation that one rank made of another, as received here.
  struct Observation: Sendable {
    var record: Record
    let received: Double
  }

  package let rank: Int
  package let overlay: ChordalRing
  /// Seconds for which a rank may be silent or without progress.
  package let timeout: Double
  /// Seconds between heartbeats.
  package let interval: Double
  var worldSize: Int { overlay.worldSize }

  /// In ascending order of rank. Links are identified by their index.
  var links: [Link]
  /// This rank's status as of the last `advance`.
  var own = RankStatus(.preparing)
  var ownSince: Double
  var now: Double
  /// When this process last resumed after having been stopped.
  var resumed: Double
  /// When this rank last knew of any rank that was doing more than waiting.
  var lastBusy: Double
  /// By subject, then observer.
  var observations: [Int: [Int: Observation]] = [:]
  /// What ranks have published about themselves since a failure became known.
  var statuses: [Int: Observation] = [:]
  /// The slow ranks reported to this one since it started waiting.
  var slow: [Int: RankStatus] = [:]
  var slowSince: Double?
  /// The newest slow record of each rank, so that none is forwarded twice.
  var newestSlow: [Int: RankStatus] = [:]
  /// The wait for which this rank last reported slow ranks.
  var toldSlow: (activity: Activity, step: Int)?
  /// When the current failure was first detected.
  var failingSince: Double?
  /// When another rank was first known to report it.
  var reported: Double?
  var isOver = false

  private var pending: [(record: Record, source: Int?)] = []
  private var nextHeartbeat: Double
  private var outputs: [Output] = []
  /// Appended after the frames, which inform the other ranks.
  private var verdict: Output?

  package init(rank: Int, overlay: ChordalRing, timeout: Double, now: Double) {
    precondition(timeout > 0, "a timeout of \(timeout) s")
    self.rank = rank
    self.overlay = overlay
    self.timeout = timeout
    interval = min(max(timeout / 40, 0.025), 1)
    links = overlay.neighbours(of: rank).map { Link(rank: $0) }
    ownSince = now
    self.now = now
    resumed = now
    lastBusy = now
    nextHeartbeat = now
  }

  // MARK: Input

  package var neighbours: [Int] { links.map(\.rank) }

  /// The link to `rank`, if any.
  package func link(to rank: Int) -> Int? { links.firstIndex { $0.rank == rank } }

  /// Whether this rank should try to open the link: of two ranks, the higher one connects.
  package func shouldOpen(link: Int) -> Bool {
    let link = links[link]
    return link.rank < rank && link.contact != .open && !link.hasDeparted
  }

  /// Handles a newly opened link: sends what is known about other ranks, which the neighbour may have missed.
  package mutating func opened(link: Int, now: Double) {
    links[link].contact = .open
    links[link].heard = now
    let known =
      observations.values.flatMap { $0.values.map { $0.aged(now) } } + statuses.values.map { $0.aged(now) }
    guard !known.isEmpty else { return }
    send(known, link)
  }

  /// Handles a closed or broken link.
  package mutating func closed(link: Int, now: Double) {
    guard links[link].contact == .open else { return }
    links[link].contact = .lost
    links[link].heard = now
  }

  /// Handles a frame received over an open link.
  package mutating func received(_ frame: Frame, link: Int, now: Double) {
    links[link].heard = max(links[link].heard, now)
    links[link].status = frame.status
    lastBusy = max(lastBusy, now - frame.quietSeconds)
    for record in frame.records where accept(record, now: now) { pending.append((record, link)) }
  }

  /// Advances the state machine. Call it at `nextTime` at the latest, and after every `received`.
  ///
  /// - Parameters:
  ///   - since: when the rank entered `activity`.
  ///   - idleSeconds: for how long its process has made no progress.
  /// - Returns: the actions to take now.
  package mutating func advance(
    to now: Double, activity: Activity, step: Int, since: Double, idleSeconds: Double
  ) -> [Output] {
    // A process that was stopped, or starved of CPU time, cannot tell for how long others were silent.
    if now - self.now > min(4 * interval + 1, max(timeout / 2, 2 * interval)) { restart(now) }
    self.now = now
    if own.activity != activity || own.step != step || ownSince != since {
      slow.removeAll()
      slowSince = nil
    }
    ownSince = since
    let waitedSince = max(since, resumed)
    own = RankStatus(
      activity, step: step, seconds: max(0, now - waitedSince),
      idleSeconds: max(0, min(idleSeconds, now - resumed)))
    lastBusy = max(lastBusy, activity.onlyWaits ? waitedSince : now)
    if !isOver {
      observeNeighbours()
      judge()
    }
    if now >= nextHeartbeat {
      nextHeartbeat = max(nextHeartbeat + interval, now + interval / 2)
      for link in links.indices where links[link].contact == .open { send(records(for: link), link) }
      pending.removeAll()
    } else if !pending.isEmpty {
      for link in links.indices where links[link].contact == .open {
        let records = records(for: link)
        if !records.isEmpty { send(records, link) }
      }
      pending.removeAll()
    }
    if let verdict { outputs.append(verdict) }
    defer { (outputs, verdict) = ([], nil) }
    return outputs
  }

  /// When to call `advance` next.
  package var nextTime: Double {
    if !pending.isEmpty { return now }
    let isAlert =
      slowSince != nil || failingSince != nil || own.activity.onlyWaits && own.seconds > timeout / 2
      || observations.values.contains { $0.values.contains { $0.record.cause != nil } }
      || links.contains {
        $0.contact == .lost && !$0.hasDeparted
          || $0.contact == .open && (now - $0.heard > timeout / 2 || $0.status.idleSeconds > timeout / 2)
      }
    return isAlert ? min(nextHeartbeat, now + interval / 4) : nextHeartbeat
  }

  /// The first frame on a new link. It does not reflect frames received since the last `advance`.
  package var heartbeat: Frame { Frame(status: own, quietSeconds: max(0, now - lastBusy)) }

  // MARK: Dissemination

  /// Publishes a record to all ranks.
  mutating func publish(_ record: Record) {
    if accept(record, now: now) { pending.append((record, nil)) }
  }

  /// Sets the verdict.
  mutating func emit(_ output: Output) { verdict = output }

  private func records(for link: Int) -> [Record] {
    pending.isEmpty ? [] : pending.compactMap { $0.source == link ? nil : $0.record }
  }

  private mutating func send(_ records: [Record], _ link: Int) {
    var rest = records[...]
    repeat {
      var frame = heartbeat
      frame.records = Array(rest.prefix(Frame.maximumRecordCount))
      rest = rest.dropFirst(Frame.maximumRecordCount)
      outputs.append(.send(frame, link: link))
    } while !rest.isEmpty
  }

  /// Stores a record.
  ///
  /// - Returns: whether the record is new and hence must be forwarded.
  private mutating func accept(_ record: Record, now: Double) -> Bool {
    switch record.kind {
    case .observation:
      guard overlay.hasLink(record.origin, record.subject) else { return false }
      if let known = observations[record.subject]?[record.origin],
        known.record.sequence >= record.sequence
      {
        return false
      }
      observations[record.subject, default: [:]][record.origin] = Observation(record: record, received: now)
    case .slow:
      guard overlay.hasLink(record.origin, record.subject) else { return false }
      if let known = newestSlow[record.subject],
        known.isSamePhase(as: record.status) || known.step > record.status.step
      {
        return false
      }
      newestSlow[record.subject] = record.status
      guard own.activity.onlyWaits else { return true }
      slow[record.subject] = record.status
      slowSince = slowSince ?? now
    case .status:
      guard record.origin == record.subject, statuses[record.subject] == nil else { return false }
      statuses[record.subject] = Observation(record: record, received: now)
    case .reported:
      guard reported == nil else { return false }
      reported = now
    }
    return true
  }

  private mutating func restart(_ now: Double) {
    resumed = now
    lastBusy = now
    failingSince = nil
    slow.removeAll()
    slowSince = nil
    for index in links.indices { links[index].heard = max(links[index].heard, now) }
  }
}

extension FailureDetector.Link {
  /// Whether the rank has finished normally.
  var hasDeparted: Bool { contact == .lost && status.activity == .finishing }
}

extension FailureDetector.Observation {
  /// The record with its age as of `now`, for forwarding.
  func aged(_ now: Double) -> Record {
    var result = record
    result.age += max(0, now - received)
    return result
  }
}

extension RankStatus {
  func isSamePhase(as other: RankStatus) -> Bool { activity == other.activity && step == other.step }
}
