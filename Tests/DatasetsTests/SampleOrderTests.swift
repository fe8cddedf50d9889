import Datasets
import Testing

@Suite("The order of samples")
struct SampleOrderTests {
  private func epoch(_ number: Int, of order: SampleOrder) -> [Int] {
    (0..<order.count).map { order.index(at: number * order.count + $0) }
  }

  @Test(arguments: [1, 2, 3, 4, 5, 15, 16, 17, 100, 1000, 1024, 4097, 60_000])
  func everyEpochTakesEachImageOnce(count: Int) {
    let order = SampleOrder(seed: 7, count: count)
    for number in [0, 1, 1_000_000] {
      var seen = [Bool](repeating: false, count: count)
      for index in epoch(number, of: order) {
        #expect(!seen[index])
        seen[index] = true
      }
      #expect(!seen.contains(false))
    }
  }

  @Test func epochsAndSeedsDiffer() {
    let order = SampleOrder(seed: 7, count: 1000)
    let first = epoch(0, of: order)
    for other in [epoch(1, of: order), epoch(2, of: order), epoch(0, of: SampleOrder(seed: 8, count: 1000))] {
      // Two random permutations agree in about one place.
      #expect(zip(first, other).count { $0 == $1 } < 10)
    }
    #expect(first == epoch(0, of: SampleOrder(seed: 7, count: 1000)))
    #expect(first != Array(0..<1000))
  }

  /// Every order of three images, and every place of an image among ten, is as frequent as any other: chi-square below
  /// its 99.9th percentile.
  @Test func ordersAreUniform() {
    let three = SampleOrder(seed: 1, count: 3)
    var frequencies: [[Int]: Int] = [:]
    for number in 0..<6000 { frequencies[epoch(number, of: three), default: 0] += 1 }
    #expect(frequencies.count == 6)
    #expect(chiSquare(Array(frequencies.values), expected: 1000) < 20.5)

    let ten = SampleOrder(seed: 2, count: 10)
    var places = [[Int]](repeating: [Int](repeating: 0, count: 10), count: 10)
    for number in 0..<5000 {
      for (place, index) in epoch(number, of: ten).enumerated() { places[index][place] += 1 }
    }
    for index in 0..<10 { #expect(chiSquare(places[index], expected: 500) < 27.9) }
  }

  /// LocalPeers in the order are not neighbours in the dataset: their mean distance is a third of the count.
  @Test func neighboursAreFarApart() {
    let order = epoch(0, of: SampleOrder(seed: 3, count: 10_000))
    let distance = zip(order, order.dropFirst()).reduce(0) { $0 + abs($1.0 - $1.1) }
    #expect(abs(Double(distance) / 9999 - 3333) < 100)
  }

  /// Runs resume by these numbers: they must never change. Made by `Fixtures/sample_order.py`.
  @Test(
    arguments: [
      (42, 60000, 0, [15849, 18519, 57572, 3701]),
      (42, 60000, 180000, [41269, 35828, 27076, 34401]),
      (18446744073709551615, 5, 10, [2, 3, 1, 4]),
    ] as [(UInt64, Int, Int, [Int])])
  func goldenOrder(seed: UInt64, count: Int, start: Int, expected: [Int]) {
    let order = SampleOrder(seed: seed, count: count)
    #expect((0..<4).map { order.index(at: start + $0) } == expected)
  }

  private func chiSquare(_ counts: [Int], expected: Double) -> Double {
    counts.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
  }
}
