import Kernels
import NumericsTestSupport
import Testing

/// Sizes and options of one batch normalisation, with values for all that goes in.
struct BatchNormalizationCase: CustomTestStringConvertible, Sendable {
  let rows, channels: Int
  var activation = BatchNormalization.Activation.relu
  /// Added to all values: a mean far from 0 costs digits.
  var offset: Float = 0

  var testDescription: String { "\(rows)x\(channels), \(activation), mean \(offset)" }

  var norm: BatchNormalization {
    BatchNormalization(rows: rows, channels: channels, activation: activation)
  }

  var count: Int { rows * channels }
  /// Rows drift, so that pieces of them differ.
  var x: [Float] {
    normalValues(count, seed: 1).enumerated().map {
      2 * $1 + offset + 3 * Float($0 / channels) / Float(rows)
    }
  }
  var gamma: [Float] { normalValues(channels, seed: 2) }
  var beta: [Float] { normalValues(channels, seed: 3) }
  var outputGradient: [Float] { normalValues(count, seed: 5) }

  /// Means, then variances.
  func measure(_ pool: ThreadPool) -> [Float] {
    var mean = [Float](repeating: .nan, count: channels)
    var variance = mean
    norm.measure(x, mean: &mean, variance: &variance, pool: pool)
    return mean + variance
  }

  func forward(_ pool: ThreadPool, statistics: [Float]) -> [Float] {
    var output = [Float](repeating: .nan, count: count)
    norm.forward(
      x, mean: Array(statistics[..<channels]), variance: Array(statistics[channels...]), gamma: gamma,
      beta: beta, output: &output, pool: pool)
    return output
  }

  /// dx, dgamma and dbeta one after the other, the last two without what was there before.
  func gradients(_ pool: ThreadPool, wantsParameters: Bool = true) -> [Float] {
    let statistics = measure(pool)
    var dx = [Float](repeating: .nan, count: count)
    var sums = [Float](repeating: 1, count: 2 * channels)
    sums.withUnsafeMutableBufferPointer { sums in
      norm.backward(
        x, mean: Array(statistics[..<channels]), variance: Array(statistics[channels...]), gamma: gamma,
        beta: beta, outputGradient: outputGradient, inputGradient: &dx,
        gammaGradient: wantsParameters ? sums.baseAddress! : nil,
        betaGradient: wantsParameters ? sums.baseAddress! + channels : nil, pool: pool)
    }
    return dx + sums.map { $0 - 1 }
  }

  static let all: [BatchNormalizationCase] = [
    .init(rows: 1, channels: 3),
    .init(rows: 3, channels: 1, activation: .none),
    .init(rows: 5, channels: 7),
    .init(rows: 98, channels: 20),
    .init(rows: 196, channels: 64, activation: .none),
    .init(rows: 33, channels: 256),
    // Several pieces, the last of them shorter and not in whole vectors.
    .init(rows: 4099, channels: 28),
    .init(rows: 1568, channels: 64),
    .init(rows: 1000, channels: 65, activation: .none, offset: 5),
    .init(rows: 40_001, channels: 3, offset: -8),
  ]
}

@Suite struct BatchNormalizationTests {
  private func doubles(_ values: some Sequence<Float>) -> [Double] { values.map(Double.init) }

  @Test(arguments: BatchNormalizationCase.all) func statisticsMatchReference(_ c: BatchNormalizationCase) {
    let statistics = c.measure(ThreadPool(threadCount: 2))
    let expected = ReferenceBatchNormalization.measure(c.norm, c.x)
    #expect(relativeError(of: doubles(statistics[..<c.channels]), from: expected.mean) < 1e-6)
    #expect(relativeError(of: doubles(statistics[c.channels...]), from: expected.variance) < 1e-6)
  }

  /// Without the first case, whose values are all at the mean: see `noVariance`.
  @Test(arguments: BatchNormalizationCase.all.dropFirst())
  func outputMatchesReference(_ c: BatchNormalizationCase) {
    let pool = ThreadPool(threadCount: 2)
    var expected = [Float](repeating: .nan, count: c.count)
    // By the batch's statistics, and by others.
    let own = ReferenceBatchNormalization.measure(c.norm, c.x)
    ReferenceBatchNormalization.forward(
      c.norm, c.x, mean: own.mean, variance: own.variance, gamma: c.gamma, beta: c.beta, output: &expected)
    let bound = 2e-6 * Double(1 + abs(c.offset))
    #expect(relativeError(of: c.forward(pool, statistics: c.measure(pool)), from: expected) < bound)

    let given = normalValues(c.channels, seed: 8) + normalValues(c.channels, seed: 9).map { $0 * $0 + 0.5 }
    ReferenceBatchNormalization.forward(
      c.norm, c.x, mean: doubles(given[..<c.channels]), variance: doubles(given[c.channels...]),
      gamma: c.gamma, beta: c.beta, output: &expected)
    #expect(relativeError(of: c.forward(pool, statistics: given), from: expected) < bound)
  }

  @Test(arguments: BatchNormalizationCase.all.dropFirst())
  func gradientsMatchReference(_ c: BatchNormalizationCase) {
    let gradients = c.gradients(ThreadPool(threadCount: 2))
    let expected = ReferenceBatchNormalization.gradients(
      c.norm, c.x, gamma: c.gamma, beta: c.beta, outputGradient: c.outputGradient)
    let bound = 1e-5 * Double(1 + abs(c.offset))
    #expect(relativeError(of: doubles(gradients[..<c.count]), from: expected.input) < bound)
    #expect(
      relativeError(of: doubles(gradients[c.count...]), from: expected.gamma + expected.beta) < bound)
    let alone = c.gradients(ThreadPool(threadCount: 2), wantsParameters: false)
    #expect(bitPatterns(Array(alone[..<c.count])) == bitPatterns(Array(gradients[..<c.count])))
    #expect(alone[c.count...].allSatisfy { $0 == 0 })
  }

  @Test(arguments: BatchNormalizationCase.all) func threadsDoNotChangeBits(_ c: BatchNormalizationCase) {
    for kernel in [
      { c.forward($0, statistics: c.measure($0)) }, { c.gradients($0) }, { c.measure($0) },
    ] as [(ThreadPool) -> [Float]] {
      let results = bitsByThreadCount(kernel)
      #expect(results.allSatisfy { $0 == results[0] })
    }
  }

  /// One row, or a channel that is the same everywhere: epsilon alone keeps it finite.
  @Test func noVariance() {
    let one = BatchNormalizationCase(rows: 1, channels: 3, activation: .none)
    let pool = ThreadPool(threadCount: 1)
    #expect(Array(one.measure(pool)[3...]) == [0, 0, 0])
    #expect(relativeError(of: one.forward(pool, statistics: one.measure(pool)), from: one.beta) < 1e-3)
    #expect(one.gradients(pool)[..<3].allSatisfy { abs($0) < 1e-3 })
  }

  @Test func nanShows() {
    let norm = BatchNormalization(rows: 4, channels: 2)
    var (mean, variance) = ([0, 0] as [Float], [0, 0] as [Float])
    var output = [Float](repeating: 0, count: 8)
    let pool = ThreadPool(threadCount: 1)
    let x: [Float] = [1, 2, 3, .nan, 5, 6, 7, 8]
    norm.measure(x, mean: &mean, variance: &variance, pool: pool)
    norm.forward(
      x, mean: mean, variance: variance, gamma: [1, 1], beta: [5, 5], output: &output, pool: pool)
    #expect(output.enumerated().allSatisfy { $1.isNaN == ($0 % 2 == 1) })
  }
}
