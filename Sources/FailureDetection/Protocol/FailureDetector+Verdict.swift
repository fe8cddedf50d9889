/// Why a run ends, as known to the rank that reports it.
package struct Failure: Equatable, Sendable {
  /// A rank that the others wait for in vain.
  package struct FailedRank: Equatable, Sendable {
    package let rank: Int
    package let cause: Record.Cause
    /// Its last known status; the age is the time since its last frame, or since the link was closed.
    package let last: AgedStatus

    package init(rank: Int, _ cause: Record.Cause, _ last: AgedStatus) {
      self.rank = rank
      self.cause = cause
      self.last = last
    }
  }

  /// In ascending order; empty if all ranks are waiting for one another.
  package var failedRanks: [FailedRank]
  /// The statuses known to this rank, including those of the failed ranks.
  package var statuses: [Int: AgedStatus]

  package init(failedRanks: [FailedRank], statuses: [Int: AgedStatus]) {
    self.failedRanks = failedRanks
    self.statuses = statuses
  }
}

extension FailureDetector {
  /// Within this time, a launcher that sees a process die reports it, and better, because it knows the signal.
  private var grace: Double { min(5, timeout / 2) }
  /// How long this rank must itself have waited before it considers another one failed.
  private var leastWait: Double { min(grace, timeout / 4) }
  /// Time from the first sign of a failure to the verdict, so that concurrent observations of other ranks arrive.
  private var settling: Double { 1.5 * interval }
  /// Seconds that each rank allows the ranks before it to report.
  private static var patience: Double { 4 }
  /// The number of ranks that take turns reporting.
  private static var reporterCount: Int { 4 }
  /// The maximum number of waiting ranks that publish their status when the run fails.
  private static var sampleCount: Int { 128 }

  // MARK: Observing neighbours

  /// Publishes what is wrong with a neighbour, and withdraws it once that no longer holds.
  mutating func observeNeighbours() {
    for index in links.indices {
      let cause = cause(of: links[index])
      if cause != links[index].published, cause == nil || !isWellKnown(links[index].rank) {
        links[index].published = cause
        links[index].sequence += 1
        publish(
          Record(
            .observation, origin: rank, subject: links[index].rank, sequence: links[index].sequence,
            cause: cause, status: links[index].status, age: now - links[index].heard))
      }
      observeSlowness(index)
    }
  }

  private func cause(of link: Link) -> Record.Cause? {
    let silence = now - link.heard
    switch link.contact {
    case .none: return hasAllWaited ? .unreached : nil
    case .lost: return !link.hasDeparted && silence >= grace ? .ended : nil
    case .open where silence >= timeout: return .silent
    case .open:
      // If the neighbour has not been heard of for a while, its silence will decide.
      let isStuck =
        !link.status.activity.onlyWaits && silence < timeout / 4
        && link.status.idleSeconds + silence >= timeout
      return isStuck ? .stuck : nil
    }
  }

  /// Whether enough other ranks observe the failure already, so that one more record would add nothing.
  private func isWellKnown(_ subject: Int) -> Bool {
    observations[subject]?.values.count { $0.record.cause != nil && $0.record.origin != rank } ?? 0 >= 2
  }

  private mutating func observeSlowness(_ index: Int) {
    let link = links[index]
    guard own.activity.onlyWaits, own.seconds >= timeout, link.contact == .open, link.published == nil,
      !link.status.activity.onlyWaits, now - link.heard < timeout, link.status.step <= own.step,
      link.slow?.isSamePhase(as: link.status) != true
    else { return }
    links[index].slow = link.status
    if newestSlow[link.rank]?.isSamePhase(as: link.status) == true { return }
    publish(Record(.slow, origin: rank, subject: link.rank, status: link.status, age: now - link.heard))
  }

  // MARK: Verdict

  /// Whether all ranks have waited for one another for so long that the network between them must have lost a message.
  /// The threshold is high because much data may be in flight on a slow network.
  private var hasAllWaited: Bool {
    own.activity.onlyWaits && own.seconds >= 3 * timeout && now - lastBusy >= 3 * timeout
  }

  /// Reaches a verdict when two neighbours of a rank have observed a failure and this rank is waiting.
  mutating func judge() {
    let failed = observations.isEmpty ? [] : confirmed
    let waits = own.activity.mayWait && own.seconds >= leastWait
    if waits && failed.contains(where: { $0.cause != .unreached }) {
      fail(failed.filter { $0.cause != .unreached })
    } else if hasAllWaited {
      fail(failed)
    } else {
      failingSince = nil
      tellOfSlowRanks()
    }
  }

  /// The ranks whose failure is confirmed by enough neighbours.
  private var confirmed: [Failure.FailedRank] {
    let accused = observations.filter { $0.value.values.contains { $0.record.cause != nil } }.keys
    return accused.sorted().compactMap { subject in
      guard subject != rank, let all = observations[subject]?.values else { return nil }
      let active = all.filter { $0.record.cause != nil }
      // If the rank's other neighbours have failed as well, there is no second one to confirm it.
      let able = overlay.neighbours(of: subject).count { $0 == rank || !accused.contains($0) }
      guard active.count >= min(2, max(able, 1)) else { return nil }
      let counts = Record.Cause.allCases.map { cause in (cause, active.count { $0.record.cause == cause }) }
      let most = counts.map(\.1).max() ?? 0
      guard let cause = counts.first(where: { $0.1 == most })?.0,
        let newest = active.filter({ $0.record.cause == cause }).min(by: { $0.age(now) < $1.age(now) })
      else { return nil }
      return Failure.FailedRank(
        rank: subject, cause, AgedStatus(newest.record.status, age: newest.age(now)))
    }
  }

  /// Reports the failure when it is this rank's turn, unless another rank does. The lowest healthy rank goes first.
  private mutating func fail(_ failedRanks: [Failure.FailedRank]) {
    let began = failingSince ?? now
    if failingSince == nil {
      failingSince = now
      if !own.activity.onlyWaits || rank % ((worldSize - 1) / Self.sampleCount + 1) == 0 {
        publish(Record(.status, origin: rank, subject: rank, status: own))
      }
    }
    if let reported {
      if now >= reported + Self.patience { end(.leave) }
      return
    }
    let place = rank - failedRanks.prefix { $0.rank < rank }.count
    // A rank that sees most others fail may have lost its own network, so those ranks get to report first.
    let turn = min(place, Self.reporterCount) + (2 * failedRanks.count > worldSize ? 1 : 0)
    guard now >= began + settling + Self.patience * Double(turn) else { return }
    guard place < Self.reporterCount else { return end(.leave) }
    publish(Record(.reported, origin: rank, subject: rank, status: own))
    end(.failed(Failure(failedRanks: failedRanks, statuses: knownStatuses(failedRanks))))
  }

  private mutating func end(_ output: Output) {
    isOver = true
    emit(output)
  }

  private func knownStatuses(_ failedRanks: [Failure.FailedRank]) -> [Int: AgedStatus] {
    var result = statuses.mapValues { AgedStatus($0.record.status, age: $0.age(now)) }
    for link in links
    where link.contact != .none && !(link.contact == .lost && link.status.activity == .finishing) {
      result[link.rank] = AgedStatus(link.status, age: now - link.heard)
    }
    for failed in failedRanks where failed.cause != .unreached { result[failed.rank] = failed.last }
    result[rank] = AgedStatus(own)
    return result
  }

  /// Reports slow ranks once per wait, if this rank is the lowest of those waiting.
  private mutating func tellOfSlowRanks() {
    guard own.activity.onlyWaits, own.seconds >= timeout, let slowSince, now >= slowSince + settling,
      toldSlow?.activity != own.activity || toldSlow?.step != own.step,
      (0..<rank).allSatisfy({ slow[$0] != nil })
    else { return }
    toldSlow = (own.activity, own.step)
    emit(.slow(slow.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }))
  }
}

extension FailureDetector.Observation {
  /// Seconds since the status in the record was reported.
  func age(_ now: Double) -> Double { record.age + max(0, now - received) }
}
