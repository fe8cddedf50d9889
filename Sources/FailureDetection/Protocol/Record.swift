/// A message from one detector to all ranks, forwarded over the overlay.
package struct Record: Equatable, Sendable {
  package enum Kind: UInt8, Sendable {
    /// `origin` observes `cause` in its neighbour `subject`, or withdraws that if `cause` is nil.
    case observation
    /// `subject` has kept its neighbour `origin` waiting for the timeout, but is working.
    case slow
    /// `subject`, which equals `origin`, reports its status for the message that ends the run.
    case status
    /// `origin` reports the failure and ends the run.
    case reported
  }

  /// The reason for which a rank is considered failed.
  package enum Cause: UInt8, CaseIterable, Sendable {
    /// The other end closed the link, and it cannot be reopened: the process is gone.
    case ended
    /// No frame has arrived for the timeout.
    case silent
    /// Frames arrive, but the process has neither computed nor done I/O for the timeout.
    case stuck
    /// The link could never be opened, and all ranks are waiting.
    case unreached
  }

  package var kind: Kind
  package var origin: Int
  package var subject: Int
  /// Orders the observations of one origin about one subject.
  package var sequence: UInt32
  package var cause: Cause?
  /// The subject's last known status.
  package var status: RankStatus
  /// Seconds since the subject reported `status`, or since its link was closed, when the record was made.
  package var age: Double

  package init(
    _ kind: Kind, origin: Int, subject: Int, sequence: UInt32 = 0, cause: Cause? = nil, status: RankStatus,
    age: Double = 0
  ) {
    self.kind = kind
    self.origin = origin
    self.subject = subject
    self.sequence = sequence
    self.cause = cause
    self.status = status
    self.age = age
  }
}
