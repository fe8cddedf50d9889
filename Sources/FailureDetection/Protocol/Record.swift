/// Something that the detectors tell all ranks, by passing it on over the overlay.
package struct Record: Equatable, Sendable {
  package enum Kind: UInt8, Sendable {
    /// `origin` observes `cause` in its neighbour `subject`, or takes that back if `cause` is nil.
    case observation
    /// `subject` keeps the others waiting, but works: what its neighbour `origin` has waited for, for the timeout.
    case slow
    /// `subject`, which is `origin`, reports its status, for the message that ends the run.
    case status
    /// `origin` reports the failure and ends the run.
    case reported
  }

  /// What makes a rank fail.
  package enum Cause: UInt8, CaseIterable, Sendable {
    /// The link was closed from the other end, and cannot be opened again: the process is gone.
    case ended
    /// No frame came for the timeout.
    case silent
    /// Frames come, but the process has neither computed nor done input or output for the timeout.
    case stuck
    /// No link could ever be opened, and all ranks wait.
    case unreached
  }

  package var kind: Kind
  package var origin: Int
  package var subject: Int
  /// Orders the observations of one origin about one subject.
  package var sequence: UInt32
  package var cause: Cause?
  /// The subject's last known one.
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
