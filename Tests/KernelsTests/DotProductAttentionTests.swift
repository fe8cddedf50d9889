import Kernels
import NumericsTestSupport
import Testing

/// Sizes of one attention, with values for all that goes in.
struct DotProductAttentionCase: CustomTestStringConvertible, Sendable {
  let batch, tokens, heads, headWidth: Int
  /// Keys, if they are of other tokens than the queries.
  var keys: Int?
  var isCausal = false
  /// Whether there are keys without attention: see `keyMask`.
  var isMasked = false
  /// How peaked the softmax is.
  var scale: Float = 1
  var precision = ProductPrecision.float32

  var testDescription: String {
    "\(batch)x\(tokens)\(keys.map { " to \($0)" } ?? ""), \(heads) heads of \(headWidth), values of \(scale)"
      + (isCausal ? ", causal" : "") + (isMasked ? ", masked" : "")
      + (precision == .bf16 ? ", bf16" : "")
  }

  var attention: DotProductAttention {
    DotProductAttention(
      batch: batch, queries: tokens, keys: keys ?? tokens, heads: heads, headWidth: headWidth,
      isCausal: isCausal, precision: precision)
  }

  var hidden: Int { heads * headWidth }
  var count: Int { batch * tokens * hidden }
  /// Of all factors: self-attention's lie side by side; other queries before other keys and values, with a gap between
  /// rows of these.
  var operandCount: Int { keys.map { count + batch * $0 * (2 * hidden + 3) } ?? 3 * count }
  var qkv: [Float] { normalValues(operandCount, seed: 1).map { scale * $0 } }
  var gradient: [Float] { normalValues(count, seed: 2) }

  /// Some keys of each image, and the first eight of the last one.
  var keyMask: [Float] {
    let length = keys ?? tokens
    return (0..<batch * length).map { index in
      let (image, key) = (index / length, index % length)
      return (key * 7 + image) % 3 == 0 || image == batch - 1 && key < min(8, length - 1) ? 0 : 1
    }
  }

  func withOperands<Result>(
    _ values: [Float], _ body: (DotProductAttention.Operands) -> Result
  ) -> Result {
    values.withUnsafeBufferPointer { values in
      keyMask.withUnsafeBufferPointer { mask in
        let (base, mask) = (values.baseAddress!, isMasked ? mask.baseAddress : nil)
        guard keys != nil else { return body(attention.operands(qkv: base, keyMask: mask)) }
        return body(
          DotProductAttention.Operands(
            queries: base, queryStride: hidden, keys: base + count, values: base + count + hidden,
            keyStride: 2 * hidden + 3, keyMask: mask))
      }
    }
  }

  func gradients(_ base: UnsafeMutablePointer<Float>) -> DotProductAttention.Gradients {
    keys == nil
      ? attention.gradients(qkv: base)
      : .init(queries: base, keys: base + count, values: base + count + hidden)
  }

  func forward(_ qkv: [Float], _ pool: ThreadPool) -> (attended: [Float], statistics: [Float]) {
    var attended = [Float](repeating: .nan, count: count)
    var statistics = [Float](repeating: .nan, count: batch * heads * tokens * 2)
    withOperands(qkv) {
      attention.forward($0, attended: &attended, statistics: &statistics, pool: pool)
    }
    return (attended, statistics)
  }

  /// Of all factors; 1 where there are none.
  func backward(_ qkv: [Float], _ pool: ThreadPool) -> [Float] {
    let (attended, statistics) = forward(qkv, pool)
    var result = [Float](repeating: 1, count: operandCount)
    withOperands(qkv) { operands in
      result.withUnsafeMutableBufferPointer {
        attention.backward(
          operands, attended: attended, statistics: statistics, attendedGradient: gradient,
          gradients: gradients($0.baseAddress!), pool: pool)
      }
    }
    return result
  }

  var referenceAttended: [Float] {
    var attended = [Float](repeating: .nan, count: count)
    withOperands(qkv) { ReferenceDotProductAttention.forward(attention, $0, attended: &attended) }
    return attended
  }

  var referenceGradient: [Float] {
    var result = [Float](repeating: 1, count: operandCount)
    withOperands(qkv) { operands in
      result.withUnsafeMutableBufferPointer {
        ReferenceDotProductAttention.backward(
          attention, operands, attendedGradient: gradient, gradients: gradients($0.baseAddress!))
      }
    }
    return result
  }

  /// The same case with factors of bfloat16.
  var rounded: DotProductAttentionCase {
    var rounded = self
    rounded.precision = .bf16
    return rounded
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
    // Other tokens' keys: fewer and more of them than queries, one, and as many as a block holds.
    .init(batch: 2, tokens: 70, heads: 2, headWidth: 40, keys: 77),
    .init(batch: 2, tokens: 1030, heads: 2, headWidth: 8, keys: 77),
    .init(batch: 1, tokens: 20, heads: 1, headWidth: 80, keys: 600),
    .init(batch: 3, tokens: 9, heads: 2, headWidth: 5, keys: 1),
    .init(batch: 1, tokens: 33, heads: 1, headWidth: 160, keys: 256),
    .init(batch: 2, tokens: 77, heads: 2, headWidth: 64, isCausal: true),
    .init(batch: 1, tokens: 1100, heads: 2, headWidth: 5, isCausal: true),
    .init(batch: 3, tokens: 40, heads: 2, headWidth: 5, keys: 77, isMasked: true),
    .init(batch: 2, tokens: 600, heads: 1, headWidth: 9, keys: 300, isMasked: true, scale: 4),
    // Causal, and masked as well: the first queries of the last image attend to nothing.
    .init(batch: 3, tokens: 77, heads: 2, headWidth: 5, isCausal: true, isMasked: true),
  ]
}

@Suite struct DotProductAttentionTests {
  @Test(arguments: DotProductAttentionCase.all) func matchesReference(_ c: DotProductAttentionCase) {
    let qkv = c.qkv
    // A score's error is one of its probability, and grows with the score.
    let bound = 2e-6 * Double(max(1, c.scale * c.scale))
    #expect(
      relativeError(of: c.forward(qkv, ThreadPool(threadCount: 2)).attended, from: c.referenceAttended)
        < bound)
    #expect(
      relativeError(of: c.backward(qkv, ThreadPool(threadCount: 2)), from: c.referenceGradient) < bound)
  }

  /// With factors of bfloat16, whose relative rounding error is at most 2^-9 (0.002).
  @Test(arguments: DotProductAttentionCase.all.filter { $0.scale == 1 })
  func roundedFactorsAreClose(_ c: DotProductAttentionCase) {
    let (c, qkv, pool) = (c.rounded, c.qkv, ThreadPool(threadCount: 2))
    let attended = relativeError(of: c.forward(qkv, pool).attended, from: c.referenceAttended)
    let gradient = relativeError(of: c.backward(qkv, pool), from: c.referenceGradient)
    #expect(attended < 8e-3 && gradient < 8e-3)
    if ProductPrecision.hasBFloat16Products && c.headWidth > 1 { #expect(attended > 1e-4 && gradient > 1e-4) }
  }

  /// What is exact in bfloat16 gives the same bits: scores are small integers, and each query attends to one key.
  @Test func factorsThatNeedNoRounding() {
    let (tokens, width) = (70, 16)
    let qkv = (0..<tokens * 3 * width).map { index -> Float in
      let (token, part, d) = (index / (3 * width), index / width % 3, index % width)
      // Query i has bit d of i as ±32, key i as ±8: its own key's score is larger than any other's by at least 128.
      return part == 2
        ? Float((token * 5 + d * 3) % 17 - 8) : (token >> (d % 8) & 1 == 1 ? 1 : -1) * (part == 0 ? 32 : 8)
    }
    let c = DotProductAttentionCase(batch: 1, tokens: tokens, heads: 1, headWidth: width)
    let pool = ThreadPool(threadCount: 2)
    let values = (0..<tokens * width).map { qkv[$0 / width * 3 * width + 2 * width + $0 % width] }
    for c in [c, c.rounded] {
      // Of other keys there remains what e^x is for the most negative x.
      #expect(zip(c.forward(qkv, pool).attended, values).allSatisfy { abs($0 - $1) < 1e-30 })
    }
  }

  /// As many tokens as a 64x64 image has pixels.
  @Test func fourThousandTokens() {
    let c = DotProductAttentionCase(batch: 1, tokens: 4096, heads: 1, headWidth: 16)
    #expect(
      relativeError(of: c.backward(c.qkv, ThreadPool(threadCount: 2)), from: c.referenceGradient) < 2e-6)
  }

  /// Keys without attention neither give nor get anything, whatever they are.
  @Test(arguments: [false, true], ProductPrecision.allCases)
  func maskedKeysHaveNoPart(isCausal: Bool, precision: ProductPrecision) {
    let c = DotProductAttentionCase(
      batch: 3, tokens: 50, heads: 2, headWidth: 5, isCausal: isCausal, isMasked: true, precision: precision)
    let pool = ThreadPool(threadCount: 2)
    let mask = c.keyMask
    func isMasked(_ index: Int) -> Bool { mask[index / 30] == 0 && index % 30 >= 10 }
    let changed = c.qkv.indices.map { isMasked($0) ? 3 - 2 * c.qkv[$0] : c.qkv[$0] }
    #expect(bitPatterns(c.forward(changed, pool).attended) == bitPatterns(c.forward(c.qkv, pool).attended))
    let gradient = c.backward(c.qkv, pool)
    #expect(gradient.indices.allSatisfy { !isMasked($0) || gradient[$0] == 0 })
    if isCausal {
      // The first queries of the last image have no key: their result is 0, and so is all that comes of them.
      let attended = c.forward(c.qkv, pool).attended
      #expect(attended[1000..<1080].allSatisfy { $0 == 0 })
      #expect(
        gradient.indices.allSatisfy { !(3000..<3240).contains($0) || $0 % 30 >= 10 || gradient[$0] == 0 })
    }
  }

  @Test(arguments: DotProductAttentionCase.all + DotProductAttentionCase.all.map(\.rounded))
  func threadsDoNotChangeBits(_ c: DotProductAttentionCase) {
    let outputs = bitsByThreadCount { c.forward(c.qkv, $0).attended }
    #expect(outputs.allSatisfy { $0 == outputs[0] })
    let gradients = bitsByThreadCount { c.backward(c.qkv, $0) }
    #expect(gradients.allSatisfy { $0 == gradients[0] })
  }

  /// Scores far beyond what e^x can hold.
  @Test(arguments: ProductPrecision.allCases) func hugeScores(precision: ProductPrecision) {
    let c = DotProductAttentionCase(
      batch: 1, tokens: 300, heads: 2, headWidth: 5, scale: 1e6, precision: precision)
    #expect(c.forward(c.qkv, ThreadPool(threadCount: 1)).attended.allSatisfy { $0.isFinite })
    #expect(c.backward(c.qkv, ThreadPool(threadCount: 1)).allSatisfy { $0.isFinite })
  }

  /// An image's result does not depend on which images it is with.
  @Test(arguments: [10, 600], ProductPrecision.allCases)
  func imagesAreIndependent(tokens: Int, precision: ProductPrecision) {
    let c = DotProductAttentionCase(batch: 3, tokens: tokens, heads: 2, headWidth: 5, precision: precision)
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
