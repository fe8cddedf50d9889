import FailureDetection
import Testing

/// 4,096 ranks with a timeout of 60 s, in virtual time. Every fault happens 5 s after the start, while all goes well.
@Suite struct SimulationTests {
  private static let size = 4096
  private static let timeout = 60.0
  private static let faultTime = 5.0

  /// Ranks to lose at once. Rank 700's neighbours are those through which all is known of it; 0 is the first to report.
  private static let losses: [[Int]] = [
    [0],
    Array(700..<708),
    [0, 1, 2, 3, 4, 16, 64, 4095],
    [684, 699, 701, 716, 636, 764, 444, 700],
  ]

  private func run(_ fault: SimulatedCluster.Fault, on ranks: [Int], until end: Double) -> SimulatedCluster {
    var cluster = SimulatedCluster(Self.size, timeout: Self.timeout)
    for rank in ranks { cluster.inject(fault, on: rank, in: Self.faultTime) }
    cluster.run(until: Self.faultTime + end)
    return cluster
  }

  /// Expects one verdict, in time, on just those ranks.
  private func expect(
    _ cluster: SimulatedCluster, _ ranks: [Int], _ cause: Record.Cause, within seconds: Double,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(cluster.verdicts.count == 1, sourceLocation: sourceLocation)
    guard let verdict = cluster.verdicts.first else { return }
    #expect(verdict.failure.failedRanks.map(\.rank) == ranks.sorted(), sourceLocation: sourceLocation)
    #expect(verdict.failure.failedRanks.allSatisfy { $0.cause == cause }, sourceLocation: sourceLocation)
    #expect(verdict.time - Self.faultTime <= seconds, sourceLocation: sourceLocation)
    // The lowest that is well.
    #expect(verdict.rank == (0...).first { !ranks.contains($0) }, sourceLocation: sourceLocation)
  }

  @Test(arguments: losses) func stoppedRanksAreNamed(ranks: [Int]) {
    let cluster = run(.stopped, on: ranks, until: 2 * Self.timeout)
    expect(cluster, ranks, .silent, within: 1.1 * Self.timeout)
  }

  @Test(arguments: losses.prefix(2)) func stuckRanksAreNamed(ranks: [Int]) {
    let cluster = run(.stuck, on: ranks, until: 2 * Self.timeout)
    expect(cluster, ranks, .stuck, within: 1.1 * Self.timeout)
  }

  @Test(arguments: losses.dropFirst(2)) func vanishedRanksAreNamedWithinSeconds(ranks: [Int]) {
    let cluster = run(.vanished, on: ranks, until: 2 * Self.timeout)
    expect(cluster, ranks, .ended, within: 10)
  }

  @Test(arguments: losses.prefix(2)) func slowRanksAreNamedAndNothingEnds(ranks: [Int]) {
    let cluster = run(.slow, on: ranks, until: 2 * Self.timeout)
    #expect(cluster.verdicts.isEmpty)
    #expect(cluster.slow.count == 1)
    guard let slow = cluster.slow.first else { return }
    #expect(slow.ranks == ranks.sorted())
    // The others may have begun to wait a step after the fault.
    #expect(slow.time - Self.faultTime <= 1.1 * Self.timeout)
    #expect(slow.rank == (0...).first { !ranks.contains($0) })
  }

  /// The host of 64 ranks stands still.
  @Test func aWholeHostIsNamed() {
    let ranks = Array(640..<704)
    expect(run(.stopped, on: ranks, until: 2 * Self.timeout), ranks, .silent, within: 1.1 * Self.timeout)
  }

  /// Frames that take up to half the timeout, ranks that stand still for a third of it, and long phases of all ranks.
  @Test func nobodyIsAccusedInALongRun() {
    var cluster = SimulatedCluster(256, timeout: 10)
    cluster.stepSeconds = 1
    (cluster.spikeChance, cluster.spikeSeconds) = (0.001, 4)
    cluster.phases = { step in
      switch step % 50 {
      case 0: (.drawing, 45)
      case 25: (.saving, 25)
      default: nil
      }
    }
    for index in 0..<60 {
      let rank = index * 37 % 256
      cluster.inject(.stopped, on: rank, in: 5 + Double(index))
      cluster.resume(rank, in: 8 + Double(index))
    }
    cluster.run(until: 900)
    #expect(cluster.now >= 900)
    #expect(cluster.verdicts.isEmpty && cluster.slow.isEmpty)
    #expect(cluster.ranks.allSatisfy { $0.step > 200 }, "\(cluster.ranks[0].step)")
  }

  /// What a rank sends does not depend on how many there are.
  @Test(arguments: [2, 13, 14, 256, 4096]) func theCostOfARankIsBounded(size: Int) {
    var cluster = SimulatedCluster(size, timeout: Self.timeout)
    cluster.run(until: 60)
    let limit = ChordalRing.maximumDegree * 62
    #expect(cluster.ranks.allSatisfy { $0.sentCount <= limit && $0.receivedCount <= limit })
    #expect(cluster.ranks.allSatisfy { $0.sentCount > 55 })
  }
}
