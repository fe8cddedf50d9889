import Benchmarks
import Testing

@Suite struct LinkModelTests {
  @Test(arguments: [2, 3, 4, 8, 64]) func theFitFindsTheModel(ranks: Int) throws {
    let link = LinkModel(latency: 20e-6, bandwidth: 1.25e9)
    let sizes = [1024, 65_536, 1 << 20, 1 << 26]
    let fit = try #require(
      LinkModel(fitting: sizes.map { ($0, link.allReduceSeconds(bytes: $0, ranks: ranks)) }, ranks: ranks))
    #expect(abs(fit.latency / link.latency - 1) < 1e-6)
    #expect(abs(fit.bandwidth / link.bandwidth - 1) < 1e-6)
  }

  @Test func theModelIsTheFormula() {
    let link = LinkModel(latency: 1e-3, bandwidth: 1e6)
    // Two exchanges, and half of the bytes twice.
    #expect(abs(link.allReduceSeconds(bytes: 1_000_000, ranks: 2) - 1.002) < 1e-12)
    // Six exchanges of each of three buckets, and 7/8 of the bytes twice.
    #expect(abs(link.allReduceSeconds(bytes: 1_000_000, ranks: 8, messages: 3) - 1.768) < 1e-12)
  }

  @Test func tooLittleIsNoFit() {
    #expect(LinkModel(fitting: [(1024, 1e-3)], ranks: 2) == nil)
    #expect(LinkModel(fitting: [(1024, 1e-3), (1024, 1.1e-3)], ranks: 2) == nil)
    #expect(LinkModel(fitting: [(1024, 1e-3), (4096, 2e-3)], ranks: 1) == nil)
  }
}
