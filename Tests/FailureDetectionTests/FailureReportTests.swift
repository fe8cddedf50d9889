import FailureDetection
import Testing

/// What people read when a run is given up.
@Suite struct FailureReportTests {
  private func peer(_ rank: Int, host: String, silence: Double, _ status: RankStatus) -> Peer {
    var peer = Peer(rank: rank, host: host)
    peer.contact = .open
    peer.silence = silence
    peer.status = status
    return peer
  }

  private let own = (rank: 0, host: "n1", status: RankStatus(.exchanging, step: 41, seconds: 58))

  @Test func theCulpritComesFirstThenWhatEachRankDid() {
    let report = FailureReport(
      failedRanks: [.init(rank: 2, .silent)], own: own,
      peers: [
        peer(1, host: "n2", silence: 0.2, RankStatus(.exchanging, step: 41, seconds: 57)),
        peer(2, host: "n3", silence: 60.4, RankStatus(.computing, step: 41, seconds: 3)),
      ])
    #expect(report.hosts == ["n3"] && report.ranks == [2])
    #expect(
      report.message == """
        rank 2 of 3 on n3 has not answered for 60 s: the host, its network or the process stands still. The last \
        checkpoint is good: the same command goes on from it. What each rank was doing:
          rank 0 on n1: summing the gradients of step 41 with the others, for 58 s
          rank 1 on n2: summing the gradients of step 41 with the others, for 57 s
          rank 2 on n3: computing the gradients of step 41, for 63 s, as it said 60 s ago
        """)
  }

  @Test func hostsAreNamedOnce() {
    let silent = RankStatus(.computing, step: 3)
    let report = FailureReport(
      failedRanks: [.init(rank: 1, .silent), .init(rank: 2, .silent)], own: own,
      peers: [peer(1, host: "n2", silence: 60, silent), peer(2, host: "n2", silence: 60, silent)])
    #expect(report.hosts == ["n2"] && report.ranks == [1, 2])
  }

  /// A host is left out of the next attempt for what it does, not for one of its processes that was killed.
  @Test func aHostWhoseProcessHasEndedIsWell() {
    var gone = peer(1, host: "n2", silence: 6, RankStatus(.computing, step: 41))
    gone.contact = .lost
    let report = FailureReport(
      failedRanks: [.init(rank: 1, .ended), .init(rank: 2, .silent)], own: own,
      peers: [gone, peer(2, host: "n3", silence: 60, RankStatus(.computing, step: 41))])
    #expect(report.hosts == ["n3"] && report.ranks == [1, 2])
    #expect(report.message.hasPrefix("rank 1 of 3 on n2 is gone"))
  }

  @Test func nobodyIsAccusedWhenAllWait() {
    let report = FailureReport(
      failedRanks: [], own: own, peers: [peer(1, host: "n2", silence: 0, RankStatus(.exchanging, step: 41))])
    #expect(report.hosts.isEmpty)
    #expect(report.message.hasPrefix("all 2 ranks have waited for one another for 58 s"))
  }

  @Test func ofManyRanksThoseThatDoTheSameShareALine() {
    let peers = (1..<100).map {
      peer(
        $0, host: "n\($0)", silence: 0.1,
        RankStatus($0 == 50 ? .reading : .exchanging, step: 41, seconds: Double($0)))
    }
    let report = FailureReport(failedRanks: [.init(rank: 50, .stuck)], own: own, peers: peers)
    let lines = report.message.split(separator: "\n").dropFirst()
    #expect(lines.count == 2)
    #expect(lines.first == "  rank 50 on n50: reading the images of step 41")
    #expect(lines.last?.contains(" and 95 more: summing the gradients of step 41") == true)
  }
}
