/// What a rank knows of another one.
package struct Peer: Equatable, Sendable {
  package enum Contact: Equatable, Sendable {
    /// There is no connection, and was none.
    case none
    case open
    /// The other end closed it, which the system does for a process that is gone.
    case lost
  }

  package let rank: Int
  package let host: String
  package var contact = Contact.none
  /// Seconds since anything came from there, or since the connection was lost.
  package var silence = 0.0
  /// What it last said.
  package var status = RankStatus(.preparing)

  package init(rank: Int, host: String) {
    self.rank = rank
    self.host = host
  }
}
