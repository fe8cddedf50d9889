import Benchmarks
import Testing

@Suite struct ScalingModelTests {
  private func model(bandwidth: Double, latency: Double = 0, hiding: Double = 0.5) -> ScalingModel {
    ScalingModel(
      forward: 1, backward: 2, update: 0.4, bytes: 1 << 30, bucketBytes: 1 << 20,
      link: LinkModel(latency: latency, bandwidth: bandwidth), hiding: hiding)
  }

  @Test func communicationHidesUntilItIsTooLong() {
    // 7/8 of the bytes in 0.4375 s: behind half of either pass.
    let fast = model(bandwidth: Double(1 << 31))
    #expect(abs(fast.communication(ranks: 8) - 0.4375) < 1e-12)
    #expect(fast.exposed(ranks: 8) == 0)
    #expect(abs(fast.step(ranks: 8) - 3.05) < 1e-12)
    // In 1.75 s: 0.75 of it behind neither pass, 0.5 more not behind the shorter one.
    let slow = model(bandwidth: Double(1 << 29))
    #expect(abs(slow.exposed(ranks: 8) - 2) < 1e-12)
    #expect(abs(slow.efficiency(ranks: 8) - 3.4 / 5.05) < 1e-12)
    // 3.5 times the images, and it hides.
    #expect(abs(slow.hidingLimit(ranks: 8) - 3.5) < 1e-12)
    #expect(slow.exposed(ranks: 1) == 0)
  }

  @Test func latencyCountsForEachBucketInItsTurn() {
    // 1024 buckets of 1 MiB, 16 at once; 64 of 16 MiB, which have a granule for each of 1024 ranks.
    let link = model(bandwidth: .infinity, latency: 1e-3)
    #expect(abs(link.communication(ranks: 8) - 64 * 3 * 1e-3) < 1e-9)
    #expect(abs(link.communication(ranks: 1024) - 4 * 10 * 1e-3) < 1e-9)
  }
}
