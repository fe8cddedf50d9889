import FailureDetection
import Testing

/// What people read when a run is given up.
@Suite struct FailureReportTests {
  private let waiting = RankStatus(.exchanging, step: 41, seconds: 58)

  private func failed(_ rank: Int, _ cause: Record.Cause, _ status: RankStatus, age: Double)
    -> Failure.FailedRank
  {
    .init(rank: rank, cause, AgedStatus(status, age: age))
  }

  private func report(
    _ failedRanks: [Failure.FailedRank], hosts: [String], statuses: [Int: AgedStatus] = [:]
  ) -> FailureReport {
    var all = [0: AgedStatus(waiting)]
    all.merge(statuses) { $1 }
    for failed in failedRanks { all[failed.rank] = failed.last }
    return FailureReport(Failure(failedRanks: failedRanks, statuses: all), reporter: 0, hosts: hosts)
  }

  @Test func theFailedRankComesFirstThenWhatEachRankDid() {
    let report = report(
      [failed(2, .silent, RankStatus(.computing, step: 41, seconds: 3), age: 60.4)],
      hosts: ["n1", "n2", "n3", "n4"],
      statuses: [1: AgedStatus(RankStatus(.exchanging, step: 41, seconds: 57), age: 0.2)])
    #expect(report.hosts == ["n3"] && report.ranks == [2])
    #expect(
      report.message == """
        rank 2 of 4 on n3 has not answered for 60 s: the host, its network or the process stands still. The last \
        checkpoint is good: the same command goes on from it. What each rank was doing:
          rank 0 on n1: summing the gradients of step 41 with the others, for 58 s
          rank 1 on n2: summing the gradients of step 41 with the others, for 57 s
          rank 2 on n3: computing the gradients of step 41, for 63 s, as it said 60 s ago
          rank 3 on n4: not known
        """)
  }

  @Test func hostsAreNamedOnce() {
    let computing = RankStatus(.computing, step: 3)
    let report = report(
      [failed(1, .silent, computing, age: 60), failed(2, .silent, computing, age: 60)],
      hosts: ["n1", "n2", "n2"])
    #expect(report.hosts == ["n2"] && report.ranks == [1, 2])
  }

  /// A host is left out of the next attempt for what it does, not for one of its processes that was killed.
  @Test func aHostWhoseProcessHasEndedIsWell() {
    let computing = RankStatus(.computing, step: 41)
    let report = report(
      [failed(1, .ended, computing, age: 6), failed(2, .silent, computing, age: 60)],
      hosts: ["n1", "n2", "n3"])
    #expect(report.hosts == ["n3"] && report.ranks == [1, 2])
    #expect(report.message.hasPrefix("rank 1 of 3 on n2 is gone"))
    #expect(
      report.message.contains("\n  rank 1 on n2: gone; before that computing the gradients of step 41\n"))
  }

  @Test func nobodyIsAccusedWhenAllWait() {
    let report = report([], hosts: ["n1", "n2"], statuses: [1: AgedStatus(waiting)])
    #expect(report.hosts.isEmpty && report.ranks.isEmpty)
    #expect(report.message.hasPrefix("all 2 ranks have waited for one another for 58 s"))
  }

  @Test func ofManyRanksThoseThatDoTheSameShareALine() {
    let hosts = (0..<4096).map { "n\($0)" }
    var statuses: [Int: AgedStatus] = [:]
    for rank in stride(from: 0, to: 4096, by: 32) {
      statuses[rank] = AgedStatus(RankStatus(.exchanging, step: 41, seconds: Double(rank)), age: 0.1)
    }
    let report = report(
      [failed(50, .stuck, RankStatus(.reading, step: 41, seconds: 60, idleSeconds: 60), age: 0)],
      hosts: hosts, statuses: statuses)
    let lines = report.message.split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines[0].hasSuffix("What 129 of the 4096 ranks were doing:"))
    #expect(lines[0].contains("for 60 s while reading the images of step 41: look at the file systems"))
    #expect(lines[1] == "  rank 50 on n50: reading the images of step 41")
    #expect(lines[2].contains(" and 124 more: summing the gradients of step 41"))
  }

  @Test func theManyRanksOfOneHostShareASentence() {
    let computing = RankStatus(.computing, step: 3)
    let report = report(
      (64..<128).map { failed($0, .silent, computing, age: 60) },
      hosts: (0..<256).map { "n\($0 / 64)" })
    #expect(report.message.hasPrefix("rank 64 of 256 and 63 more ranks on n1 has not answered for 60 s: "))
    #expect(report.hosts == ["n1"] && report.ranks == Array(64..<128))
  }
}
