import Kernels
import NumericsTestSupport
import Testing

/// Sizes and options of one group normalisation, with values for all that goes in.
struct NormalizationCase: CustomTestStringConvertible, Sendable {
  let batch, pixels, channels, groups: Int
  var activation = GroupNormalization.Activation.none
  var hasScaleShift = false
  /// Added to all values: a mean far from 0 costs digits.
  var offset: Float = 0

  var testDescription: String {
    "\(batch)x\(pixels)x\(channels) in \(groups), \(activation), scale and shift \(hasScaleShift), mean \(offset)"
  }

  var norm: GroupNormalization {
    GroupNormalization(
      batch: batch, pixels: pixels, channels: channels, groups: groups, activation: activation)
  }

  var count: Int { batch * pixels * channels }
  var x: [Float] { normalValues(count, seed: 1).map { 2 * $0 + offset } }
  var gamma: [Float] { normalValues(channels, seed: 2) }
  var beta: [Float] { normalValues(channels, seed: 3) }
  var scaleShift: [Float]? { hasScaleShift ? normalValues(batch * 2 * channels, seed: 4) : nil }
  var outputGradient: [Float] { normalValues(count, seed: 5) }

  /// y, then the statistics.
  func forward(_ pool: ThreadPool) -> (output: [Float], statistics: [Float]) {
    var output = [Float](repeating: .nan, count: count)
    var statistics = [Float](repeating: .nan, count: batch * groups * 2)
    withOptionalPointer(scaleShift) {
      norm.forward(
        x, gamma: gamma, beta: beta, scaleShift: $0, output: &output, statistics: &statistics, pool: pool)
    }
    return (output, statistics)
  }

  func reference() -> [Float] {
    var output = [Float](repeating: .nan, count: count)
    withOptionalPointer(scaleShift) {
      ReferenceGroupNormalization.forward(norm, x, gamma: gamma, beta: beta, scaleShift: $0, output: &output)
    }
    return output
  }

  /// dx, dgamma, dbeta and dScaleShift, one after the other.
  func gradients(_ pool: ThreadPool) -> [Float] {
    let statistics = forward(pool).statistics
    var dx = [Float](repeating: .nan, count: count)
    var (dGamma, dBeta) = (normalValues(channels, seed: 6), normalValues(channels, seed: 7))
    var dScaleShift = [Float](repeating: .nan, count: hasScaleShift ? batch * 2 * channels : 0)
    withOptionalPointer(scaleShift) { scaleShift in
      dScaleShift.withUnsafeMutableBufferPointer { dScaleShift in
        norm.backward(
          x, gamma: gamma, beta: beta, scaleShift: scaleShift, statistics: statistics,
          outputGradient: outputGradient, inputGradient: &dx,
          scaleShiftGradient: hasScaleShift ? dScaleShift.baseAddress : nil, gammaGradient: &dGamma,
          betaGradient: &dBeta, pool: pool)
      }
    }
    return dx + dGamma + dBeta + dScaleShift
  }

  private func withOptionalPointer(_ values: [Float]?, _ body: (UnsafePointer<Float>?) -> Void) {
    guard let values else { return body(nil) }
    values.withUnsafeBufferPointer { body($0.baseAddress) }
  }

  static let all: [NormalizationCase] = [
    .init(batch: 1, pixels: 1, channels: 3, groups: 1),
    .init(batch: 2, pixels: 1, channels: 6, groups: 3, activation: .silu),
    .init(batch: 1, pixels: 5, channels: 7, groups: 1, activation: .silu, hasScaleShift: true),
    .init(batch: 3, pixels: 9, channels: 3, groups: 3, hasScaleShift: true),
    .init(batch: 2, pixels: 35, channels: 28, groups: 4, activation: .silu, hasScaleShift: true),
    .init(batch: 2, pixels: 16, channels: 28, groups: 28),
    .init(batch: 3, pixels: 35, channels: 20, groups: 5, activation: .relu),
    .init(batch: 2, pixels: 9, channels: 7, groups: 7, activation: .relu, hasScaleShift: true, offset: 1),
    .init(batch: 2, pixels: 63, channels: 33, groups: 11, activation: .silu),
    // Cut into pieces.
    .init(batch: 1, pixels: 8192, channels: 64, groups: 1, activation: .silu, offset: 3),
    .init(batch: 2, pixels: 7001, channels: 80, groups: 8, activation: .relu, hasScaleShift: true),
    .init(batch: 4, pixels: 49, channels: 112, groups: 4, activation: .silu, hasScaleShift: true),
    .init(batch: 1, pixels: 784, channels: 28, groups: 1),
    .init(batch: 5, pixels: 64, channels: 16, groups: 2, activation: .silu, hasScaleShift: true, offset: 10),
    .init(batch: 1, pixels: 4096, channels: 20, groups: 5, activation: .silu, offset: -3),
  ]
}

@Suite struct GroupNormalizationTests {
  @Test(arguments: NormalizationCase.all) func matchesReference(_ c: NormalizationCase) {
    let error = relativeError(of: c.forward(ThreadPool(threadCount: 2)).output, from: c.reference())
    #expect(error < 2e-6 * Double(1 + abs(c.offset)))
  }

  @Test(arguments: NormalizationCase.all) func threadsDoNotChangeBits(_ c: NormalizationCase) {
    let outputs = bitsByThreadCount { c.forward($0).output }
    #expect(outputs.allSatisfy { $0 == outputs[0] })
    let gradients = bitsByThreadCount { c.gradients($0) }
    #expect(gradients.allSatisfy { $0 == gradients[0] })
    #expect(c.gradients(ThreadPool(threadCount: 2)).allSatisfy { $0.isFinite })
  }

  /// A group without variance: epsilon alone keeps it finite.
  @Test func constantImage() {
    let norm = GroupNormalization(batch: 1, pixels: 6, channels: 4, groups: 2)
    var output = [Float](repeating: .nan, count: 24)
    var statistics = [Float](repeating: .nan, count: 4)
    norm.forward(
      [Float](repeating: 3, count: 24), gamma: [1, 2, 3, 4], beta: [5, 6, 7, 8], scaleShift: nil,
      output: &output, statistics: &statistics, pool: ThreadPool(threadCount: 1))
    for (value, expected) in zip(
      output, [Float](repeating: 0, count: 6).flatMap { _ in [5, 6, 7, 8] as [Float] })
    {
      #expect(abs(value - expected) < 1e-2)
    }
    #expect(statistics[0] == 3 && abs(statistics[1] - 1 / Float(1e-5).squareRoot()) < 0.1)
  }

  @Test func nanShows() {
    let c = NormalizationCase.all[4]
    var x = c.x
    x[c.count - 1] = .nan
    var output = [Float](repeating: 0, count: c.count)
    var statistics = [Float](repeating: 0, count: c.batch * c.groups * 2)
    c.norm.forward(
      x, gamma: c.gamma, beta: c.beta, scaleShift: nil, output: &output, statistics: &statistics,
      pool: ThreadPool(threadCount: 2))
    // The last group of the last image, and nothing else.
    let width = c.channels / c.groups
    for (index, value) in output.enumerated() {
      let isOfGroup = index >= c.count / 2 && index % c.channels >= c.channels - width
      guard value.isNaN == isOfGroup else {
        Issue.record("element \(index) is \(value)")
        return
      }
    }
  }
}
