import Kernels
import NumericsTestSupport
import Testing

/// Sizes and options of one layer normalisation, with values for all that goes in.
struct LayerNormalizationCase: CustomTestStringConvertible, Sendable {
  let batch, tokens, channels: Int
  var isAffine = false
  var isModulated = false
  var epsilon: Float = 1e-6
  /// Added to all values: a mean far from 0 costs digits.
  var offset: Float = 0

  var testDescription: String {
    "\(batch)x\(tokens)x\(channels), affine \(isAffine), modulated \(isModulated), mean \(offset)"
  }

  var norm: LayerNormalization {
    LayerNormalization(batch: batch, tokens: tokens, channels: channels, epsilon: epsilon)
  }

  var count: Int { batch * tokens * channels }
  /// Columns of the matrix that the shift and, `channels` columns behind, the scale are in.
  var columns: Int { 2 * channels + 3 }
  var x: [Float] { normalValues(count, seed: 1).map { 2 * $0 + offset } }
  var gamma: [Float] { normalValues(channels, seed: 2) }
  var beta: [Float] { normalValues(channels, seed: 3) }
  var conditions: [Float] { normalValues(batch * columns, seed: 4) }
  var outputGradient: [Float] { normalValues(count, seed: 5) }

  private func withConditions<Result>(
    _ body: (_ gamma: UnsafePointer<Float>?, _ beta: UnsafePointer<Float>?, LayerNormalization.Modulation?)
      -> Result
  ) -> Result {
    gamma.withUnsafeBufferPointer { gamma in
      beta.withUnsafeBufferPointer { beta in
        conditions.withUnsafeBufferPointer { conditions in
          let shift = conditions.baseAddress! + 1
          return body(
            isAffine ? gamma.baseAddress : nil, isAffine ? beta.baseAddress : nil,
            isModulated ? .init(scale: shift + channels, shift: shift, stride: columns) : nil)
        }
      }
    }
  }

  func forward(_ pool: ThreadPool) -> (output: [Float], statistics: [Float]) {
    var output = [Float](repeating: .nan, count: count)
    var statistics = [Float](repeating: .nan, count: batch * tokens * 2)
    withConditions {
      norm.forward(
        x, gamma: $0, beta: $1, modulation: $2, output: &output, statistics: &statistics, pool: pool)
    }
    return (output, statistics)
  }

  func reference() -> [Float] {
    var output = [Float](repeating: .nan, count: count)
    withConditions {
      ReferenceLayerNormalization.forward(norm, x, gamma: $0, beta: $1, modulation: $2, output: &output)
    }
    return output
  }

  /// dx and the gradients of gamma, beta and the modulation's matrix, one after the other.
  func gradients(_ pool: ThreadPool) -> [Float] {
    let statistics = forward(pool).statistics
    var dx = [Float](repeating: .nan, count: count)
    var (dGamma, dBeta) = (normalValues(channels, seed: 6), normalValues(channels, seed: 7))
    var dConditions = normalValues(batch * columns, seed: 8)
    withConditions { gamma, beta, modulation in
      dConditions.withUnsafeMutableBufferPointer { conditions in
        let shift = conditions.baseAddress! + 1
        norm.backward(
          x, gamma: gamma, beta: beta, modulation: modulation, statistics: statistics,
          outputGradient: outputGradient, inputGradient: &dx, gammaGradient: &dGamma, betaGradient: &dBeta,
          scaleGradient: isModulated ? shift + channels : nil, shiftGradient: isModulated ? shift : nil,
          pool: pool)
      }
    }
    return dx + dGamma + dBeta + dConditions
  }

  static let all: [LayerNormalizationCase] = [
    .init(batch: 1, tokens: 1, channels: 2),
    .init(batch: 2, tokens: 5, channels: 7, isAffine: true),
    .init(batch: 3, tokens: 9, channels: 16, isModulated: true),
    .init(batch: 2, tokens: 63, channels: 33, isAffine: true, isModulated: true, epsilon: 1e-5),
    .init(batch: 2, tokens: 64, channels: 20),
    .init(batch: 2, tokens: 150, channels: 48, isAffine: true, isModulated: true),
    .init(batch: 4, tokens: 49, channels: 384, isModulated: true),
    .init(batch: 1, tokens: 200, channels: 24, isAffine: true, epsilon: 1e-5, offset: 10),
  ]
}

@Suite struct LayerNormalizationTests {
  @Test(arguments: LayerNormalizationCase.all) func matchesReference(_ c: LayerNormalizationCase) {
    let error = relativeError(of: c.forward(ThreadPool(threadCount: 2)).output, from: c.reference())
    #expect(error < 1e-6 * Double(1 + abs(c.offset)))
  }

  @Test(arguments: LayerNormalizationCase.all) func threadsDoNotChangeBits(_ c: LayerNormalizationCase) {
    let outputs = bitsByThreadCount { c.forward($0).output }
    #expect(outputs.allSatisfy { $0 == outputs[0] })
    let gradients = bitsByThreadCount { c.gradients($0) }
    #expect(gradients.allSatisfy { $0 == gradients[0] })
    #expect(c.gradients(ThreadPool(threadCount: 2)).allSatisfy { $0.isFinite })
  }

  /// Columns that belong to others keep their values.
  @Test func otherColumnsAreLeftAlone() {
    let c = LayerNormalizationCase(batch: 3, tokens: 4, channels: 5, isModulated: true)
    let gradients = c.gradients(ThreadPool(threadCount: 1)).suffix(c.batch * c.columns)
    for (index, (before, after)) in zip(normalValues(c.batch * c.columns, seed: 8), gradients).enumerated() {
      let isOfOthers = index % c.columns == 0 || index % c.columns > 2 * c.channels
      #expect((before == after) == isOfOthers, "column \(index % c.columns)")
    }
  }

  /// A token without variance: epsilon alone keeps it finite.
  @Test func constantTokens() {
    let norm = LayerNormalization(batch: 1, tokens: 2, channels: 20, epsilon: 1e-6)
    var output = [Float](repeating: .nan, count: 40)
    var statistics = [Float](repeating: .nan, count: 4)
    norm.forward(
      [Float](repeating: 3, count: 40), gamma: nil, beta: nil, modulation: nil, output: &output,
      statistics: &statistics, pool: ThreadPool(threadCount: 1))
    #expect(output.allSatisfy { abs($0) < 1e-2 })
    #expect(statistics[0] == 3 && abs(statistics[1] - 1000) < 1)
  }

  /// A NaN spoils its own token, and nothing else.
  @Test func nanShows() {
    let c = LayerNormalizationCase.all[1]
    var x = c.x
    x[c.channels + 2] = .nan
    var output = [Float](repeating: 0, count: c.count)
    var statistics = [Float](repeating: 0, count: c.batch * c.tokens * 2)
    c.norm.forward(
      x, gamma: nil, beta: nil, modulation: nil, output: &output, statistics: &statistics,
      pool: ThreadPool(threadCount: 2))
    for (index, value) in output.enumerated() { #expect(value.isNaN == (index / c.channels == 1)) }
  }
}
