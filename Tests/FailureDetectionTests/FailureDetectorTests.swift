import FailureDetection
import Testing

/// What rank 0 of a few, which are all linked to each other, makes of what comes over its links, with a timeout of 60 s.
@Suite struct FailureDetectorTests {
  /// Rank 0's detector, driven four times a second.
  private struct Driver {
    var detector: FailureDetector
    var now = 1000.0
    var activity = Activity.exchanging
    var since = 1000.0
    var verdicts: [FailureDetector.Output] = []
    var sent: [Record] = []
    /// What each rank's heartbeats say; none come from ranks that are not here.
    var statuses: [Int: RankStatus] = [:]
    /// What the other ranks observe, by observer and subject.
    var observed: [Int: [Int: Record.Cause]] = [:]
    private var sequence: UInt32 = 0

    init(_ worldSize: Int, timeout: Double = 60) {
      detector = FailureDetector(
        rank: 0, overlay: ChordalRing(worldSize: worldSize), timeout: timeout, now: 1000)
      for rank in 1..<worldSize {
        statuses[rank] = RankStatus(.exchanging, step: 7)
        detector.opened(link: rank - 1, now: 1000)
      }
    }

    mutating func enter(_ activity: Activity) { (self.activity, since) = (activity, now) }

    mutating func observe(_ observer: Int, _ subject: Int, _ cause: Record.Cause?) {
      sequence += 1
      let record = Record(
        .observation, origin: observer, subject: subject, sequence: sequence, cause: cause,
        status: RankStatus(.computing, step: 7), age: 0)
      receive(from: observer, [record])
    }

    mutating func receive(from rank: Int, _ records: [Record] = []) {
      guard let status = statuses[rank] else { return }
      detector.received(
        Frame(
          status: status, quietSeconds: status.activity == .exchanging ? status.seconds : 0, records: records),
        link: rank - 1, now: now)
    }

    mutating func run(_ seconds: Double) {
      let end = now + seconds
      while now < end - 1e-6 {
        now += 0.25
        for rank in statuses.keys.sorted() {
          statuses[rank]?.seconds += 0.25
          receive(from: rank)
        }
        for output in detector.advance(
          to: now, activity: activity, step: 7, since: since, idleSeconds: 0)
        {
          if case .send(let frame, link: 0) = output {
            sent += frame.records
          } else if case .send = output {
          } else {
            verdicts.append(output)
          }
        }
      }
    }

    /// The ranks that have failed, and why.
    var failed: [Failure.FailedRank]? {
      for case .failed(let failure) in verdicts { return failure.failedRanks }
      return nil
    }

    var slow: [[Int]] {
      verdicts.compactMap { if case .slow(let ranks) = $0 { ranks.map(\.rank) } else { nil } }
    }

    func expect(
      _ rank: Int, _ cause: Record.Cause, sourceLocation: SourceLocation = #_sourceLocation
    ) {
      #expect(failed?.map(\.rank) == [rank], sourceLocation: sourceLocation)
      #expect(failed?.first?.cause == cause, sourceLocation: sourceLocation)
    }
  }

  @Test func aSilentRankIsNamedWhenItsTimeIsUp() {
    var two = Driver(2)
    two.statuses[1] = nil
    two.run(59)
    #expect(two.verdicts.isEmpty)
    two.run(4)
    two.expect(1, .silent)
  }

  /// One link that does not work says nothing of the rank at its other end.
  @Test func oneObserverIsNotEnough() {
    var four = Driver(4)
    four.statuses[2] = nil
    four.run(150)
    #expect(four.verdicts.isEmpty)
    #expect(four.sent.contains { $0.kind == .observation && $0.subject == 2 && $0.cause == .silent })
    four.observe(3, 2, .silent)
    four.run(3)
    four.expect(2, .silent)
  }

  @Test func theTwoNeedNotIncludeOneself() {
    var four = Driver(4)
    four.run(20)
    four.observe(3, 2, .silent)
    four.observe(1, 2, .silent)
    four.run(3)
    four.expect(2, .silent)
  }

  @Test func whatIsTakenBackCountsNoMore() {
    var four = Driver(4)
    four.run(20)
    four.observe(3, 2, .silent)
    four.observe(3, 2, nil)
    four.observe(1, 2, .silent)
    four.run(10)
    #expect(four.verdicts.isEmpty)
    // An older one that arrives late changes nothing.
    four.receive(
      from: 1,
      [
        Record(
          .observation, origin: 3, subject: 2, sequence: 1, cause: .silent, status: RankStatus(.computing))
      ])
    four.run(10)
    #expect(four.verdicts.isEmpty)
  }

  /// Where all others have failed, nobody is left to agree.
  @Test func theLastOneDecidesAlone() {
    var three = Driver(3)
    three.statuses = [:]
    three.run(70)
    #expect(three.failed?.map(\.rank) == [1, 2])
  }

  @Test func observationsByStrangersToALinkAreIgnored() {
    var many = Driver(2)
    many.detector = FailureDetector(rank: 0, overlay: ChordalRing(worldSize: 4096), timeout: 60, now: 1000)
    many.statuses = [1: RankStatus(.exchanging, step: 7)]
    many.detector.opened(link: 0, now: 1000)
    many.run(20)
    for observer in [2000, 2002, 2004] {
      many.observe(1, 2001, .silent);
      many.receive(
        from: 1,
        [
          Record(
            .observation, origin: observer + 5, subject: 2001, sequence: 1, cause: .silent,
            status: RankStatus(.computing))
        ])
    }
    many.run(5)
    #expect(many.verdicts.isEmpty)
  }

  /// Silence alone proves nothing: MPI may have another network.
  @Test(arguments: [Activity.recording, .reading, .computing])
  func whoDoesNotWaitGivesNoVerdict(activity: Activity) {
    var two = Driver(2)
    two.enter(activity)
    two.statuses[1] = nil
    two.run(600)
    #expect(two.verdicts.isEmpty)
    two.enter(.exchanging)
    two.run(4)
    #expect(two.verdicts.isEmpty, "it has only begun to wait")
    two.run(4)
    two.expect(1, .silent)
  }

  /// Weights are waited for in the middle of computing.
  @Test func whoWaitsForWeightsMissesThoseThatSendThem() {
    var two = Driver(2)
    two.enter(.gathering)
    two.statuses[1] = nil
    two.run(64)
    two.expect(1, .silent)
  }

  @Test func aRankThatIsGoneIsNamedWithinSeconds() {
    var two = Driver(2)
    two.run(10)
    two.statuses[1] = nil
    two.detector.closed(link: 0, now: two.now)
    two.run(4.75)
    #expect(two.verdicts.isEmpty)
    two.run(3)
    two.expect(1, .ended)
  }

  /// A link that breaks and comes back is nobody's end.
  @Test func aLinkThatComesBackIsForgiven() {
    var two = Driver(2)
    two.run(10)
    let status = two.statuses.removeValue(forKey: 1)
    two.detector.closed(link: 0, now: two.now)
    two.run(4)
    two.detector.opened(link: 0, now: two.now)
    two.statuses[1] = status
    two.run(30)
    #expect(two.verdicts.isEmpty)
  }

  @Test func whoLeavesAtTheEndIsNotMissed() {
    var two = Driver(2)
    two.enter(.finishing)
    two.statuses[1] = RankStatus(.finishing, step: 7)
    two.run(1)
    two.statuses[1] = nil
    two.detector.closed(link: 0, now: two.now)
    two.run(100)
    #expect(two.verdicts.isEmpty)
    #expect(!two.detector.shouldOpen(link: 0))
  }

  @Test(arguments: [Activity.reading, .recording, .saving, .preparing])
  func aRankWithoutProgressIsNamed(activity: Activity) {
    for (idle, isStuck) in [(59.0, true), (30.0, false)] {
      var two = Driver(2)
      two.statuses[1] = RankStatus(activity, step: 7, seconds: 0, idleSeconds: 0)
      two.run(58)
      two.statuses[1]?.idleSeconds = idle
      two.run(1)
      #expect(two.verdicts.isEmpty)
      two.statuses[1]?.idleSeconds = idle + 2
      two.run(5)
      if isStuck {
        two.expect(1, .stuck)
      } else {
        #expect(two.failed == nil && two.slow == [[1]])
      }
    }
  }

  /// Who waits for others neither computes nor reads.
  @Test(arguments: [Activity.gathering, .exchanging]) func waitingIsNotBeingStuck(activity: Activity) {
    var two = Driver(2)
    two.statuses[1] = RankStatus(activity, step: 7, seconds: 0, idleSeconds: 100)
    two.run(70)
    #expect(two.verdicts.isEmpty)
  }

  @Test func aSlowRankIsToldOfOnceForEachWait() {
    var four = Driver(4)
    four.statuses[2] = RankStatus(.computing, step: 7)
    four.run(59)
    #expect(four.verdicts.isEmpty)
    four.run(100)
    #expect(four.slow == [[2]])
    four.statuses[2] = RankStatus(.computing, step: 7)
    four.enter(.updating)
    four.run(59)
    #expect(four.slow == [[2]])
    four.statuses[2] = RankStatus(.recording, step: 7)
    four.run(59)
    #expect(four.slow == [[2], [2]] && four.failed == nil)
  }

  @Test func thatAllWaitIsBorneForLonger() {
    var three = Driver(3)
    three.run(179)
    #expect(three.verdicts.isEmpty)
    three.run(5)
    #expect(three.failed?.isEmpty == true)
  }

  @Test func oneThatBeganToWaitLaterIsWaitedFor() {
    var three = Driver(3)
    three.run(100)
    three.statuses[1]?.seconds = 0
    three.run(175)
    #expect(three.verdicts.isEmpty)
    three.run(10)
    #expect(three.failed?.isEmpty == true)
  }

  @Test func aRankThatNeverAnsweredIsNamedWhenAllWait() {
    var three = Driver(3)
    three.detector = FailureDetector(rank: 0, overlay: ChordalRing(worldSize: 3), timeout: 60, now: 1000)
    three.detector.opened(link: 0, now: 1000)
    three.statuses[2] = nil
    three.run(185)
    #expect(three.failed?.isEmpty != false)
    var agreed = Driver(3)
    agreed.detector = FailureDetector(rank: 0, overlay: ChordalRing(worldSize: 3), timeout: 60, now: 1000)
    agreed.detector.opened(link: 0, now: 1000)
    agreed.statuses[2] = nil
    agreed.run(179)
    agreed.observe(1, 2, .unreached)
    agreed.run(5)
    agreed.expect(2, .unreached)
  }

  /// As batch systems suspend whole jobs: who stood still does not blame others for the time.
  @Test func whoWasSuspendedBeginsToCountAnew() {
    var two = Driver(2)
    two.run(10)
    two.now += 300
    two.statuses[1] = nil
    two.run(59)
    #expect(two.verdicts.isEmpty)
    two.run(4)
    two.expect(1, .silent)
  }

  @Test func aShortTimeoutShortensAll() {
    var two = Driver(2, timeout: 2)
    two.run(1)
    two.statuses[1] = nil
    two.detector.closed(link: 0, now: two.now)
    two.run(2)
    two.expect(1, .ended)
  }

  @Test func whoHearsThatAnotherReportsLeaves() {
    var four = Driver(4)
    four.run(20)
    four.observe(3, 2, .silent)
    four.observe(1, 2, .silent)
    four.receive(
      from: 1, [Record(.reported, origin: 1, subject: 1, status: RankStatus(.exchanging, step: 7))])
    four.run(3)
    #expect(four.verdicts.isEmpty)
    four.run(4)
    #expect(four.verdicts.count == 1)
    if case .leave? = four.verdicts.first {} else { Issue.record("\(four.verdicts)") }
  }
}
