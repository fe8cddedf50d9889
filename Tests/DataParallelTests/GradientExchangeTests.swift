import DataParallel
import TestSupport
import Testing

/// Gradients summed part by part between the ranks of real jobs; the program compares them with one rank's.
@Suite struct GradientExchangeTests {
  @Test(arguments: [(1, 24), (2, 24), (3, 24), (4, 24), (8, 24), (2, 12), (8, 16), (6, 12)])
  func partsAreTheTreesSum(ranks: Int, microbatches: Int) throws {
    let run = try MPIJob.run(
      ranks: ranks, try Products.executable("DataParallelPrograms"), ["exchange", "\(microbatches)"],
      environment: ["SWIFT_BACKTRACE": "enable=no"])
    #expect(run.exitStatus == 0 && !run.timedOut, "\(run)")
    let expected = (0..<ranks).map { "exchange passed on rank \($0) of \(ranks)" }
    #expect(run.outputLines.map(String.init).sorted() == expected, "\(run)")
  }

  /// Half the bytes on the way; the sums are still made in float32.
  @Test(arguments: [1, 2, 3, 4, 8]) func gradientsMayBeRoundedOnTheirWay(ranks: Int) throws {
    let run = try MPIJob.run(
      ranks: ranks, try Products.executable("DataParallelPrograms"), ["compression", "24"],
      environment: ["SWIFT_BACKTRACE": "enable=no"])
    #expect(run.exitStatus == 0 && !run.timedOut, "\(run)")
    let expected = (0..<ranks).map { "compression passed on rank \($0) of \(ranks)" }
    #expect(run.outputLines.map(String.init).sorted() == expected, "\(run)")
  }

  /// With many ranks a bucket grows, rather than that some ranks have no part of any.
  @Test(arguments: [64, 4096]) func everyRankHasAPart(worldSize: Int) {
    let plan = BucketPlan(count: 57_000_000, bucketSize: 1 << 18, worldSize: worldSize)
    #expect((0..<worldSize).allSatisfy { rank in plan.parts(of: rank).contains { !$0.isEmpty } })
  }

  /// Every float belongs to one rank, and borders lie where sums of squares are cut.
  @Test(arguments: [1, 2, 3, 4, 7, 8, 64])
  func partsCoverEverything(worldSize: Int) {
    for (count, bucketSize) in [
      (0, 1), (1, 1), (1024, 1024), (100_003, 1), (100_003, 5000), (100_003, 1_000_000),
    ] {
      let plan = BucketPlan(count: count, bucketSize: bucketSize, worldSize: worldSize)
      #expect(plan.buckets.flatMap { Array($0) } == Array(0..<count))
      for (bucket, range) in plan.buckets.enumerated() {
        let parts = (0..<worldSize).map { plan.part(of: bucket, rank: $0) }.sorted {
          $0.lowerBound < $1.lowerBound
        }
        #expect(parts.flatMap { Array($0) } == Array(range))
        #expect(parts.filter { !$0.isEmpty }.allSatisfy { $0.lowerBound % BucketPlan.granularity == 0 })
      }
    }
  }

  @Test(arguments: [2, 4, 8, 16]) func partsAreNearlyEqual(worldSize: Int) {
    let plan = BucketPlan(count: 1_000_000, bucketSize: 1 << 18, worldSize: worldSize)
    let sizes = (0..<worldSize).map { plan.parts(of: $0).reduce(0) { $0 + $1.count } }
    let pieces = plan.buckets.count * BucketPlan.granularity
    #expect((sizes.max() ?? 0) - (sizes.min() ?? 0) <= pieces)
  }
}
