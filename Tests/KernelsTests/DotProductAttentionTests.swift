import Kernels
import NumericsTestSupport
import Testing

/// Sizes of one attention, with values for all that goes in.
struct DotProductAttentionCase: CustomTestStringConvertible, Sendable {
  let batch, tokens, heads, headWidth: Int
  /// How peaked the softmax is.
  var scale: Float = 1

  var testDescription: String { "\(batch)x\(tokens), \(heads) heads of \(headWidth), values of \(scale)" }

  var attention: DotProductAttention {
    DotProductAttention(batch: batch, tokens: tokens, heads: heads, headWidth: headWidth)
  }

  var count: Int { batch * tokens * heads * headWidth }
  var qkv: [Float] { normalValues(3 * count, seed: 1).map { scale * $0 } }
  var gradient: [Float] { normalValues(count, seed: 2) }

  func forward(_ qkv: [Float], _ pool: ThreadPool) -> (attended: [Float], statistics: [Float]) {
    var attended = [Float](repeating: .nan, count: count)
    var statistics = [Float](repeating: .nan, count: batch * heads * tokens * 2)
    attention.forward(qkv, attended: &attended, statistics: &statistics, pool: pool)
    return (attended, statistics)
  }

  func backward(_ qkv: [Float], _ pool: ThreadPool) -> [Float] {
    let (attended, statistics) = forward(qkv, pool)
    var result = [Float](repeating: .nan, count: 3 * count)
    attention.backward(
      qkv, attended: attended, statistics: statistics, attendedGradient: gradient, qkvGradient: &result,
      pool: pool)
    return result
  }

  static let all: [DotProductAttentionCase] = [
    .init(batch: 1, tokens: 1, heads: 1, headWidth: 1),
    .init(batch: 2, tokens: 7, heads: 3, headWidth: 5),
    .init(batch: 3, tokens: 49, heads: 6, headWidth: 64),
    .init(batch: 2, tokens: 64, heads: 1, headWidth: 16),
    // A key and a query more than their blocks hold.
    .init(batch: 1, tokens: 65, heads: 2, headWidth: 17),
    .init(batch: 1, tokens: 257, heads: 1, headWidth: 33),
    // One task exactly, one query more, and several.
    .init(batch: 1, tokens: 512, heads: 1, headWidth: 8),
    .init(batch: 2, tokens: 513, heads: 2, headWidth: 3),
    .init(batch: 1, tokens: 1300, heads: 2, headWidth: 20),
    .init(batch: 1, tokens: 100, heads: 2, headWidth: 16, scale: 8),
  ]
}

@Suite struct DotProductAttentionTests {
  @Test(arguments: DotProductAttentionCase.all) func matchesReference(_ c: DotProductAttentionCase) {
    let qkv = c.qkv
    // A score's error is one of its probability, and grows with the score.
    let bound = 2e-6 * Double(max(1, c.scale * c.scale))
    var attended = [Float](repeating: .nan, count: c.count)
    ReferenceDotProductAttention.forward(c.attention, qkv, attended: &attended)
    #expect(relativeError(of: c.forward(qkv, ThreadPool(threadCount: 2)).attended, from: attended) < bound)
    var gradient = [Float](repeating: .nan, count: 3 * c.count)
    ReferenceDotProductAttention.backward(
      c.attention, qkv, attendedGradient: c.gradient, qkvGradient: &gradient)
    #expect(relativeError(of: c.backward(qkv, ThreadPool(threadCount: 2)), from: gradient) < bound)
  }

  /// As many tokens as a 64x64 image has pixels.
  @Test func fourThousandTokens() {
    let c = DotProductAttentionCase(batch: 1, tokens: 4096, heads: 1, headWidth: 16)
    var gradient = [Float](repeating: .nan, count: 3 * c.count)
    ReferenceDotProductAttention.backward(
      c.attention, c.qkv, attendedGradient: c.gradient, qkvGradient: &gradient)
    #expect(relativeError(of: c.backward(c.qkv, ThreadPool(threadCount: 2)), from: gradient) < 2e-6)
  }

  @Test(arguments: DotProductAttentionCase.all) func threadsDoNotChangeBits(_ c: DotProductAttentionCase) {
    let outputs = bitsByThreadCount { c.forward(c.qkv, $0).attended }
    #expect(outputs.allSatisfy { $0 == outputs[0] })
    let gradients = bitsByThreadCount { c.backward(c.qkv, $0) }
    #expect(gradients.allSatisfy { $0 == gradients[0] })
  }

  /// Scores far beyond what e^x can hold.
  @Test func hugeScores() {
    let c = DotProductAttentionCase(batch: 1, tokens: 300, heads: 2, headWidth: 5, scale: 1e6)
    #expect(c.forward(c.qkv, ThreadPool(threadCount: 1)).attended.allSatisfy { $0.isFinite })
    #expect(c.backward(c.qkv, ThreadPool(threadCount: 1)).allSatisfy { $0.isFinite })
  }

  /// An image's result does not depend on which images it is with.
  @Test(arguments: [10, 600]) func imagesAreIndependent(tokens: Int) {
    let c = DotProductAttentionCase(batch: 3, tokens: tokens, heads: 2, headWidth: 5)
    let size = tokens * 10
    var qkv = c.qkv
    qkv.replaceSubrange(0..<3 * size, with: repeatElement(.nan, count: 3 * size))
    let pool = ThreadPool(threadCount: 2)
    let attended = c.forward(qkv, pool).attended
    #expect(attended[..<size].allSatisfy { $0.isNaN })
    #expect(
      bitPatterns(Array(attended[size...])) == bitPatterns(Array(c.forward(c.qkv, pool).attended[size...])))
    let gradient = c.backward(qkv, pool)
    #expect(
      bitPatterns(Array(gradient[(3 * size)...]))
        == bitPatterns(Array(c.backward(c.qkv, pool)[(3 * size)...])))
  }
}
