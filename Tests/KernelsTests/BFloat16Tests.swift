import Kernels
import NumericsTestSupport
import Testing

@Suite struct BFloat16Tests {
  private func rounded(_ values: [Float], threads: Int = 1) -> [UInt16] {
    var output = [UInt16](repeating: 0, count: values.count)
    BFloat16.round(values, to: &output, count: values.count, pool: ThreadPool(threadCount: threads))
    return output
  }

  /// The nearer neighbour, the even one if both are as near: by arithmetic on the numbers, not on their bits.
  private func reference(_ x: Float) -> UInt16 {
    let below = Float(bitPattern: x.bitPattern & 0xFFFF_0000)
    let above = Float(bitPattern: below.bitPattern &+ 0x1_0000)
    let (down, up) = (abs(Double(x) - Double(below)), abs(Double(above) - Double(x)))
    let isBelow = down < up || (down == up && below.bitPattern & 0x1_0000 == 0)
    return UInt16((isBelow ? below : above).bitPattern >> 16)
  }

  @Test(arguments: [1, 15, 16, 17, 1000, 40_000]) func theNearestIsFound(count: Int) {
    let values = normalValues(count, seed: 1)
    let expected = values.map(reference)
    #expect(rounded(values) == expected)
    #expect(rounded(values, threads: 3) == expected)
    // Something is rounded up, and something down.
    if count >= 15 { #expect(expected != values.map { UInt16($0.bitPattern >> 16) }) }
  }

  @Test func halfwayGoesToTheEvenOne() {
    #expect(rounded([Float(bitPattern: 0x3F80_8000)]) == [0x3F80])
    #expect(rounded([Float(bitPattern: 0x3F81_8000)]) == [0x3F82])
    #expect(rounded([Float(bitPattern: 0xBF81_8000)]) == [0xBF82])
  }

  @Test func specialNumbersStayWhatTheyAre() {
    let infinity = Float.infinity
    #expect(rounded([0, -0.0, infinity, -infinity]) == [0, 0x8000, 0x7F80, 0xFF80])
    #expect(rounded([.greatestFiniteMagnitude]) == [0x7F80])
    #expect(rounded([.leastNonzeroMagnitude]) == [0])
    // All of whose set bits are cut off, or would carry into the sign.
    for bits: UInt32 in [0x7F80_0001, 0x7FFF_FFFF, 0xFF80_0001, 0xFFFF_FFFF] {
      let half = rounded([Float](repeating: Float(bitPattern: bits), count: 17))
      #expect(half.allSatisfy { Float(bitPattern: UInt32($0) << 16).isNaN })
    }
  }

  @Test(arguments: [1, 16, 31, 40_000], [1, 3]) func sumsAreOfFullPrecision(count: Int, threads: Int) {
    let (values, sums) = (normalValues(count, seed: 2), normalValues(count, seed: 3))
    let halves = rounded(values)
    var result = sums
    BFloat16.add(halves, to: &result, count: count, pool: ThreadPool(threadCount: threads))
    let expected = zip(sums, halves).map { $0 + Float(bitPattern: UInt32($1) << 16) }
    #expect(bitPatterns(result) == bitPatterns(expected))
  }
}
