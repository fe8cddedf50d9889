/// What a rank makes of what it knows of all others.
package enum RankHealth: Equatable, Sendable {
  case fine
  /// These ranks keep all others waiting, but work.
  case slow([Int])
  /// The run cannot go on.
  case failed([FailedRank])

  /// A rank that the others wait for in vain.
  package struct FailedRank: Equatable, Sendable {
    package enum Cause: Equatable, Sendable {
      /// Its process is gone.
      case ended
      /// Nothing comes from it.
      case silent
      /// It answers, but does not get on.
      case stuck
      /// It waits, as all others do.
      case unreached
    }
    package let rank: Int
    package let cause: Cause

    package init(rank: Int, _ cause: Cause) {
      self.rank = rank
      self.cause = cause
    }
  }

  /// Two ways must agree before a run is ended: the watch finds a rank missing, and the training itself waits.
  ///
  /// - Parameters:
  ///   - own: this rank.
  ///   - timeout: seconds that a rank may take to answer.
  package init(own: RankStatus, peers: [Peer], timeout: Double) {
    self = .fine
    guard own.activity.mayWait else { return }

    // A launcher that sees a rank die says so itself, and better: it knows the signal.
    let grace = min(5, timeout / 2)
    let ended = peers.filter {
      $0.contact == .lost && $0.status.activity != .finishing && $0.silence >= grace
    }
    let silent = peers.filter { $0.contact == .open && $0.silence >= timeout }
    if own.seconds >= min(grace, timeout / 4), !ended.isEmpty || !silent.isEmpty {
      self = .failed(
        (ended.map { FailedRank(rank: $0.rank, .ended) } + silent.map { FailedRank(rank: $0.rank, .silent) })
          .sorted { $0.rank < $1.rank })
      return
    }

    let answering = peers.filter { $0.contact == .open && $0.silence < timeout }
    let busy = answering.filter { !$0.status.activity.onlyWaits }
    // Of one that has not been heard of for a while, it is its silence that will tell.
    let stuck = busy.filter {
      $0.silence < timeout / 4 && $0.status.idleSeconds + $0.silence >= timeout
    }
    if !stuck.isEmpty && own.seconds >= min(5, timeout / 4) {
      self = .failed(stuck.map { FailedRank(rank: $0.rank, .stuck) })
    } else if own.activity.onlyWaits && own.seconds >= timeout {
      // When all wait for one another, a network has lost what was to come; but much may be under way on a slow one.
      let isPatienceOver =
        own.seconds >= 3 * timeout && answering.allSatisfy { $0.status.seconds >= 3 * timeout }
      if !busy.isEmpty {
        self = .slow(busy.map(\.rank))
      } else if isPatienceOver {
        self = .failed(peers.filter { $0.contact == .none }.map { FailedRank(rank: $0.rank, .unreached) })
      }
    }
  }
}
