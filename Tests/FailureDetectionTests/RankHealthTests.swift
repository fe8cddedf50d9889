import FailureDetection
import Testing

/// What a rank makes of what it sees, with a timeout of 60 s.
@Suite struct RankHealthTests {
  private func peer(
    _ rank: Int, _ contact: Peer.Contact = .open, silence: Double = 0.5, _ activity: Activity = .exchanging,
    seconds: Double = 100, idle: Double = 0
  ) -> Peer {
    var peer = Peer(rank: rank, host: "n\(rank + 1)")
    peer.contact = contact
    peer.silence = silence
    peer.status = RankStatus(activity, step: 7, seconds: seconds, idleSeconds: idle)
    return peer
  }

  private func health(
    _ peers: [Peer], own activity: Activity = .exchanging, seconds: Double = 100, timeout: Double = 60
  ) -> RankHealth {
    RankHealth(own: RankStatus(activity, step: 7, seconds: seconds), peers: peers, timeout: timeout)
  }

  @Test func ranksThatWaitForOneThatComputesGoOn() {
    #expect(health([peer(1), peer(2, .open, .computing, seconds: 20)], seconds: 20) == .fine)
    #expect(health([peer(1), peer(2, .open, .computing)], seconds: 61) == .slow([2]))
  }

  @Test func aSilentRankIsNamedWhenItsTimeIsUp() {
    #expect(health([peer(1), peer(2, silence: 59.9)], seconds: 59) == .fine)
    #expect(health([peer(1), peer(2, silence: 60)], seconds: 59) == .failed([.init(rank: 2, .silent)]))
    #expect(
      health([peer(1, silence: 61), peer(2, silence: 60)], seconds: 59)
        == .failed([.init(rank: 1, .silent), .init(rank: 2, .silent)]))
  }

  /// Silence of the watch alone proves nothing: MPI may have another network.
  @Test(arguments: [Activity.recording, .reading, .computing])
  func whoDoesNotWaitDoesNotComplain(activity: Activity) {
    #expect(health([peer(1, silence: 600)], own: activity) == .fine)
    #expect(health([peer(1, .lost, silence: 600)], own: activity) == .fine)
  }

  @Test func whoHasOnlyBegunToWaitWaits() {
    #expect(health([peer(1, silence: 600)], seconds: 1) == .fine)
    #expect(health([peer(1, .lost, silence: 600)], seconds: 1) == .fine)
  }

  /// Weights are waited for in the middle of computing.
  @Test func whoWaitsForWeightsMissesThoseThatSendThem() {
    #expect(
      health([peer(1, silence: 60)], own: .gathering, seconds: 59) == .failed([.init(rank: 1, .silent)]))
    #expect(health([peer(1, .open, .computing)], own: .gathering, seconds: 61) == .slow([1]))
  }

  @Test func aRankThatIsGoneIsNamedWithinSeconds() {
    #expect(health([peer(1, .lost, silence: 4.9)], seconds: 9) == .fine)
    #expect(health([peer(1, .lost, silence: 5)], seconds: 9) == .failed([.init(rank: 1, .ended)]))
  }

  @Test func whoLeavesAtTheEndIsNotMissed() {
    #expect(health([peer(1, .lost, silence: 30, .finishing)], own: .finishing, seconds: 30) == .fine)
  }

  @Test(arguments: [Activity.reading, .recording, .saving, .preparing])
  func aRankThatDoesNotGetOnIsNamed(activity: Activity) {
    let stuck = peer(1, .open, activity, seconds: 70, idle: 59.5)
    #expect(health([stuck, peer(2)], seconds: 69) == .failed([.init(rank: 1, .stuck)]))
    // It reads or computes: it is only slow.
    let slow = peer(1, .open, activity, seconds: 70, idle: 30)
    #expect(health([slow, peer(2)], seconds: 69) == .slow([1]))
  }

  /// One that stood still while it computed does not answer: it is not said to.
  @Test func aRankThatStoodStillInTheMiddleIsSilent() {
    let still = peer(1, silence: 59, .computing, seconds: 2, idle: 2)
    #expect(health([still, peer(2)], seconds: 59) == .fine)
  }

  /// Who waits for others neither computes nor reads.
  @Test(arguments: [Activity.gathering, .exchanging]) func waitingIsNotBeingStuck(activity: Activity) {
    #expect(health([peer(1, .open, activity, seconds: 70, idle: 70)], seconds: 70) == .fine)
  }

  @Test func thatAllWaitIsBorneForLonger() {
    #expect(health([peer(1, seconds: 179)], seconds: 179) == .fine)
    #expect(health([peer(1, seconds: 181)], seconds: 181) == .failed([]))
    #expect(health([peer(1, seconds: 20)], seconds: 181) == .fine)
    #expect(
      health([peer(1, seconds: 181), peer(2, .none)], seconds: 181) == .failed([.init(rank: 2, .unreached)]))
  }

  @Test func aShortTimeoutShortensAll() {
    #expect(
      health([peer(1, .lost, silence: 1)], seconds: 1, timeout: 2) == .failed([.init(rank: 1, .ended)]))
    #expect(health([peer(1, silence: 2)], seconds: 1, timeout: 2) == .failed([.init(rank: 1, .silent)]))
  }
}
