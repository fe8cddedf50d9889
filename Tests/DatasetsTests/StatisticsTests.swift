import Datasets
import Foundation
import TestSupport
import Testing

@Suite("Statistics")
struct StatisticsTests {
  private func statistics(_ values: some Sequence<Double>) -> StatisticsAccumulator {
    var accumulator = StatisticsAccumulator()
    for value in values { accumulator.add(value) }
    return accumulator
  }

  /// Multiples k of a small step beside a large offset: their sums are whole numbers, known exactly.
  @Test(arguments: [
    (0.0, 1.0), (1e5, 0x1p-20), (-3e15, 1), (1e-100, 0x1p-380), (1e100, 0x1p290), (0x1p52, 1), (1e9, 0x1p-22),
  ])
  func areExact(offset: Double, step: Double) {
    var generator = SeededGenerator(seed: 7)
    let steps = (0..<20_000).map { _ in Int.random(in: -1000...1000, using: &generator) }
    let values = steps.map { offset + Double($0) * step }
    // No step is lost in the values themselves.
    #expect(zip(values, steps).allSatisfy { ($0 - offset) / step == Double($1) })
    let (n, sum) = (steps.count, steps.reduce(0, +))
    let squares = steps.reduce(0) { $0 + $1 * $1 }
    let found = statistics(values)
    #expect(found.count == n)
    #expect(found.minimum == values.min() && found.maximum == values.max())
    let mean = offset + Double(sum) / Double(n) * step
    #expect(abs(found.mean - mean) <= mean.ulp)
    let deviation = Double(n * squares - sum * sum).squareRoot() / Double(n) * step
    #expect(abs(found.deviation - deviation) <= 2 * deviation.ulp, "\(found.deviation) for \(deviation)")
  }

  /// A first value that is nothing like the others, from which they are counted.
  @Test func anOutlierAtTheStart() {
    let values = [1e9] + (0..<1000).map { 1 + Double($0 % 2) * 0x1p-10 }
    let found = statistics(values)
    // In exact arithmetic, with steps of 2^-10.
    let steps = values.map { $0 * 0x1p10 }
    let sum = steps.reduce(0) { $0 + $1 }
    #expect(abs(found.mean / (sum / 1001 * 0x1p-10) - 1) < 1e-15)
    let mean = sum / 1001
    let variance = steps.reduce(0.0) { $0 + ($1 - mean) * ($1 - mean) } / 1001
    #expect(abs(found.deviation / (variance.squareRoot() * 0x1p-10) - 1) < 1e-13)
  }

  @Test func constantsHaveNoDeviation() {
    let found = statistics([Double](repeating: 0.1, count: 1000))
    #expect(found.deviation == 0 && found.mean == 0.1 && found.minimum == 0.1)
    #expect(statistics([]).deviation == 0)
  }

  @Test(arguments: Normalization.Kind.allCases) func normalizationComesBack(kind: Normalization.Kind) {
    let statistics = ChannelStatistics(
      count: [3, 3], minimum: [-2, 99_999], maximum: [6, 100_001], mean: [1, 100_000], deviation: [2, 0.001])
    let normalization = Normalization(kind, statistics)
    for channel in 0..<2 {
      for value in [statistics.minimum[channel], statistics.mean[channel], statistics.maximum[channel]] {
        let normalized = normalization.normalized(value, channel: channel)
        #expect(abs(normalization.restored(normalized, channel: channel) - value) <= value.ulp)
      }
    }
    if kind == .minMax {
      #expect(normalization.normalized(6, channel: 0) == 1 && normalization.normalized(-2, channel: 0) == -1)
    } else {
      #expect(normalization.normalized(3, channel: 0) == 1 && normalization.normalized(1, channel: 0) == 0)
    }
  }
}
