import Foundation
import Randomness
import Testing

@Suite struct RandomStreamTests {
  private func normal(_ stream: RandomStream, _ count: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) {
      stream.fillNormal(UnsafeMutableBufferPointer(rebasing: $0[..<count]))
      $1 = count
    }
  }

  private func uniform(_ stream: RandomStream, _ count: Int, _ low: Float, _ high: Float) -> [Float] {
    [Float](unsafeUninitializedCapacity: count) {
      stream.fillUniform(UnsafeMutableBufferPointer(rebasing: $0[..<count]), low: low, high: high)
      $1 = count
    }
  }

  /// A stream is Philox at the counter (index, sample, step, purpose and the index's upper bits): checkpoints and
  /// recorded runs depend on it.
  @Test func counterLayout() {
    let stream = RandomStream(seed: 7, purpose: .dropout, step: 11, sample: 13)
    let philox = Philox(key: 7)
    #expect(stream.block(0) == philox(SIMD4(0, 13, 11, 6 << 24)))
    #expect(stream.block(5) == philox(SIMD4(5, 13, 11, 6 << 24)))
    #expect(stream.block(3 << 32 | 9) == philox(SIMD4(9, 13, 11, 6 << 24 | 3)))
    let block = philox(SIMD4(5, 13, 11, 6 << 24))
    #expect(stream.bits(5) == UInt64(block.y) << 32 | UInt64(block.x))
    #expect(stream.bool(5) == (block.x % 2 == 1))
  }

  /// Purposes have eight bits of the counter, and keep their numbers.
  @Test func purposesKeepTheirNumbers() {
    #expect(Purpose.allCases.allSatisfy { $0.rawValue < 256 })
    let first: [Purpose] = [
      .initialization, .sampleOrder, .horizontalFlip, .timestep, .noise, .dropout, .labelDrop, .samplerStart,
      .samplerNoise, .shapes,
    ]
    #expect(first.map(\.rawValue) == Array(1...10))
  }

  @Test func largestStepAndSample() {
    let last = Int(UInt32.max)
    let stream = RandomStream(seed: .max, purpose: .noise, step: last, sample: last)
    #expect(stream.block(0) == Philox(key: .max)(SIMD4(0, .max, .max, 5 << 24)))
  }

  /// Changing the seed, the purpose, the step or the sample gives a sequence that shares nothing with the first.
  @Test func streamsAreIndependent() {
    var streams = Purpose.allCases.map { RandomStream(seed: 1, purpose: $0, step: 1, sample: 1) }
    streams += [
      RandomStream(seed: 2, purpose: .noise, step: 1, sample: 1),
      RandomStream(seed: 1 << 32 | 1, purpose: .noise, step: 1, sample: 1),
      RandomStream(seed: 1, purpose: .noise, step: 2, sample: 1),
      RandomStream(seed: 1, purpose: .noise, step: 1, sample: 2),
    ]
    let sequences = streams.map { normal($0, 4000) }
    for first in sequences.indices {
      for second in 0..<first {
        let products = zip(sequences[first], sequences[second]).map { Double($0 * $1) }
        let correlation = products.reduce(0, +) / 4000
        // Five standard deviations of independent numbers' correlation.
        #expect(abs(correlation) < 5 / 4000.0.squareRoot(), "streams \(first) and \(second)")
      }
    }
    #expect(Set(streams.map { $0.bits() }).count == streams.count)
  }

  /// Element i is what its own block says: it does not depend on how many are asked for.
  @Test(arguments: [0, 1, 2, 3, 4, 5, 7, 8, 33]) func elementsDependOnTheirPlaceAlone(count: Int) {
    let stream = RandomStream(seed: 3, purpose: .noise, step: 4, sample: 5)
    #expect(normal(stream, count) == Array(normal(stream, 64).prefix(count)))
    #expect(uniform(stream, count, -2, 3) == Array(uniform(stream, 64, -2, 3).prefix(count)))
  }

  /// The formulas, element by element.
  @Test func valuesAreTheFormulas() {
    let stream = RandomStream(seed: 5, purpose: .noise, step: 6, sample: 7)
    let expectedUniform = (0..<21).map { index -> Float in
      let unit = Float(stream.block(index / 4)[index % 4] >> 8) * 0x1p-24
      return min(-0.3 + (Float(0.5) + 0.3) * unit, Float(0.5).nextDown)
    }
    #expect(uniform(stream, 21, -0.3, 0.5) == expectedUniform)

    let expectedNormal = (0..<21).map { index -> Float in
      let block = stream.block(index / 4)
      let (a, b) = index % 4 < 2 ? (block.x, block.y) : (block.z, block.w)
      let radius = (-2 * log((Double(a) + 1) * 0x1p-32)).squareRoot()
      let angle = 2 * Double.pi * Double(b) * 0x1p-32
      return Float(radius * (index % 2 == 0 ? cos(angle) : sin(angle)))
    }
    #expect(normal(stream, 21) == expectedNormal)
  }

  @Test(arguments: [(0, 1), (-0.25, 0.25), (1, 1.0000001), (-3e38, 0)] as [(Float, Float)])
  func uniformStaysInRange(low: Float, high: Float) {
    let values = uniform(RandomStream(seed: 9, purpose: .initialization), 100_000, low, high)
    #expect(values.allSatisfy { low <= $0 && $0 < high })
  }

  @Test func uniformMoments() {
    let values = uniform(RandomStream(seed: 9, purpose: .initialization), 1_000_000, -1, 1).map(Double.init)
    let count = Double(values.count)
    // Five standard errors: variance 1/3, and of the squares 4/45.
    #expect(abs(values.reduce(0, +) / count) < 5 * (1 / 3 / count).squareRoot())
    #expect(abs(values.reduce(0) { $0 + $1 * $1 } / count - 1 / 3) < 5 * (4 / 45 / count).squareRoot())
  }

  @Test func normalMoments() {
    let values = normal(RandomStream(seed: 21, purpose: .noise), 1_000_000).map(Double.init)
    let count = Double(values.count)
    func moment(_ power: Double) -> Double { values.reduce(0) { $0 + pow($1, power) } / count }
    // Five standard errors; the variance of x^n is E x^2n - (E x^n)^2: 1, 2, 15, 96.
    #expect(abs(moment(1)) < 5 * (1 / count).squareRoot())
    #expect(abs(moment(2) - 1) < 5 * (2 / count).squareRoot())
    #expect(abs(moment(3)) < 5 * (15 / count).squareRoot())
    #expect(abs(moment(4) - 3) < 5 * (96 / count).squareRoot())
    // LocalPeers, which Box-Muller makes of the same two numbers.
    let pairs = stride(from: 0, to: values.count, by: 2).reduce(0.0) { $0 + values[$1] * values[$1 + 1] }
    #expect(abs(pairs / (count / 2)) < 5 / (count / 2).squareRoot())
    // The share beyond two deviations, 4.55 %, and that the tails are there.
    let beyond = Double(values.count { abs($0) > 2 }) / count
    #expect(abs(beyond - 0.0455) < 5 * (0.0455 * 0.9545 / count).squareRoot())
    #expect(values.contains { $0 > 4 } && values.contains { $0 < -4 })
    #expect(values.allSatisfy { abs($0) < 6.7 })
  }

  @Test(arguments: [1, 2, 7, 10, 300, 1000]) func integersAreUniformBelowTheBound(bound: Int) {
    let stream = RandomStream(seed: 33, purpose: .timestep)
    let draws = 200_000
    var counts = [Int](repeating: 0, count: bound)
    for index in 0..<draws {
      let value = stream.integer(below: bound, index)
      guard counts.indices.contains(value) else {
        Issue.record("\(value) is not below \(bound)")
        return
      }
      counts[value] += 1
    }
    let expected = Double(draws) / Double(bound)
    let chiSquare = counts.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
    // Mean bound - 1, variance 2 (bound - 1): five deviations.
    let freedom = Double(bound - 1)
    #expect(abs(chiSquare - freedom) <= 5 * (2 * freedom).squareRoot())
  }

  @Test func integersBelowTheLargestBound() {
    let stream = RandomStream(seed: 33, purpose: .timestep)
    let values = (0..<1000).map { stream.integer(below: .max, $0) }
    #expect(values.allSatisfy { $0 >= 0 && $0 < .max })
    #expect(values.contains { $0 > .max / 2 } && values.contains { $0 < .max / 2 })
  }

  @Test func coinsAreFair() {
    let stream = RandomStream(seed: 4, purpose: .horizontalFlip)
    let heads = (0..<100_000).count { stream.bool($0) }
    #expect(abs(Double(heads) - 50_000) < 5 * 25_000.0.squareRoot())
  }
}
