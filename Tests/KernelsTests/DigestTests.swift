import Kernels
import NumericsTestSupport
import Testing

@Suite struct DigestTests {
  private func digest(_ values: [Float], threads: Int = 1) -> UInt64 {
    Digest.of(values, count: values.count, pool: ThreadPool(threadCount: threads))
  }

  @Test(arguments: [0, 1, 15, 16, 17, 1000, 65_536, 200_003]) func threadsDoNotChangeIt(count: Int) {
    let values = normalValues(count, seed: 1)
    for threads in comparedThreadCounts { #expect(digest(values, threads: threads) == digest(values)) }
  }

  /// Anywhere, in any bit.
  @Test(arguments: [1, 17, 1000, 70_001]) func aFlippedBitChangesIt(count: Int) {
    var values = normalValues(count, seed: 2)
    let before = digest(values)
    for trial in 0..<64 {
      let (index, bit) = (trial * 7919 % count, UInt32(trial % 32))
      let value = values[index]
      values[index] = Float(bitPattern: value.bitPattern ^ 1 << bit)
      #expect(digest(values) != before, "bit \(bit) of value \(index)")
      values[index] = value
    }
    #expect(digest(values) == before)
  }

  @Test func orderAndSignsCount() {
    #expect(
      digest([1, 2] + [Float](repeating: 0, count: 30)) != digest([2, 1] + [Float](repeating: 0, count: 30)))
    #expect(digest([0.0]) != digest([-0.0]))
  }
}
