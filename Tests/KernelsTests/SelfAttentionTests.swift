import Kernels
import NumericsTestSupport
import Testing

/// Sizes of one attention, with values for all that goes in.
struct AttentionCase: CustomTestStringConvertible, Sendable {
  let kind: SelfAttention.Kind
  let batch, tokens, channels, heads, headWidth: Int
  /// How peaked the softmax is.
  var scale: Float = 0.5
  var precision = ProductPrecision.float32

  var testDescription: String {
    "\(kind) \(batch)x\(tokens)x\(channels), \(heads) heads of \(headWidth), weights of \(scale), \(precision)"
  }

  var attention: SelfAttention {
    SelfAttention(
      kind: kind, batch: batch, tokens: tokens, channels: channels, heads: heads, headWidth: headWidth,
      precision: precision)
  }

  /// The same case with factors of bfloat16.
  var rounded: AttentionCase {
    var rounded = self
    rounded.precision = .bf16
    return rounded
  }

  var count: Int { batch * tokens * channels }
  var hidden: Int { heads * headWidth }
  var x: [Float] { normalValues(count, seed: 1) }
  var qkvWeights: [Float] { normalValues(channels * 3 * hidden, seed: 2).map { scale * $0 } }
  var outputWeights: [Float] { normalValues(hidden * channels, seed: 3) }
  var bias: [Float] { normalValues(channels, seed: 4) }
  var outputGradient: [Float] { normalValues(count, seed: 5) }

  func forward(_ pool: ThreadPool) -> [Float] {
    var output = [Float](repeating: .nan, count: count)
    attention.forward(
      x, qkvWeights: qkvWeights, outputWeights: outputWeights, bias: bias, output: &output, pool: pool)
    return output
  }

  func reference() -> [Float] {
    var output = [Float](repeating: .nan, count: count)
    ReferenceSelfAttention.forward(
      attention, x, qkvWeights: qkvWeights, outputWeights: outputWeights, bias: bias, output: &output)
    return output
  }

  /// The gradients of the weights and the bias that the others are added to.
  var earlierGradients: [Float] {
    normalValues(channels * 3 * hidden, seed: 6) + normalValues(hidden * channels, seed: 7)
      + normalValues(channels, seed: 8)
  }

  /// dx and the gradients of the weights and the bias, one after the other.
  func gradients(_ pool: ThreadPool) -> [Float] {
    var dx = [Float](repeating: .nan, count: count)
    let earlier = earlierGradients
    var dQKV = Array(earlier[..<(channels * 3 * hidden)])
    var (dOutput, dBias) = (Array(earlier[dQKV.count...].dropLast(channels)), Array(earlier.suffix(channels)))
    dQKV.withUnsafeMutableBufferPointer { dQKV in
      dOutput.withUnsafeMutableBufferPointer { dOutput in
        attention.backward(
          x, qkvWeights: qkvWeights, outputWeights: outputWeights, outputGradient: outputGradient,
          inputGradient: &dx, qkvGradient: .adding(to: dQKV.baseAddress!),
          outputWeightGradient: .adding(to: dOutput.baseAddress!), biasGradient: &dBias, pool: pool)
      }
    }
    return dx + dQKV + dOutput + dBias
  }

  static let all: [AttentionCase] = [SelfAttention.Kind.softmax, .linear].flatMap { kind in
    [
      AttentionCase(kind: kind, batch: 1, tokens: 1, channels: 1, heads: 1, headWidth: 16),
      AttentionCase(kind: kind, batch: 2, tokens: 7, channels: 3, heads: 2, headWidth: 16),
      AttentionCase(kind: kind, batch: 3, tokens: 49, channels: 28, heads: 4, headWidth: 32),
      // More than a block of queries, and a rest.
      AttentionCase(kind: kind, batch: 2, tokens: 16, channels: 40, heads: 4, headWidth: 32),
      AttentionCase(kind: kind, batch: 1, tokens: 150, channels: 33, heads: 1, headWidth: 48),
      // Several images to a piece of the weights' gradient.
      AttentionCase(kind: kind, batch: 19, tokens: 6, channels: 7, heads: 1, headWidth: 16),
      AttentionCase(kind: kind, batch: 1, tokens: 20, channels: 16, heads: 2, headWidth: 16, scale: 20),
      // Several rounds of images, the last with fewer; sums over parts of their tokens.
      AttentionCase(kind: kind, batch: 45, tokens: 64, channels: 64, heads: 1, headWidth: 16),
      // An image so large that linear attention takes it in pieces.
      AttentionCase(
        kind: kind, batch: 2, tokens: kind == .linear ? 3300 : 70, channels: 80, heads: 2, headWidth: 16),
    ]
  }
}

@Suite struct SelfAttentionTests {
  @Test(arguments: AttentionCase.all) func matchesReference(_ c: AttentionCase) {
    // The error of a score is one of its softmax, and grows with it.
    let bound = 2e-6 * Double(max(1, c.scale * c.scale))
    #expect(relativeError(of: c.forward(ThreadPool(threadCount: 2)), from: c.reference()) < bound)
  }

  /// With factors of bfloat16. Errors of the scores, which are sums over the channels and then the width of a head, are
  /// those of the softmax.
  @Test(arguments: AttentionCase.all.filter { $0.scale < 1 })
  func roundedFactorsAreClose(_ c: AttentionCase) {
    let pool = ThreadPool(threadCount: 2)
    let output = relativeError(of: c.rounded.forward(pool), from: c.reference())
    let gradients = relativeError(of: c.rounded.gradients(pool), from: c.gradients(pool))
    #expect(output < 0.04 && gradients < 0.08)
    if ProductPrecision.hasBFloat16Products && c.kind == .softmax && c.tokens > 1 {
      #expect(output > 1e-4 && gradients > 1e-4)
    }
  }

  @Test(arguments: AttentionCase.all + AttentionCase.all.map(\.rounded))
  func threadsDoNotChangeBits(_ c: AttentionCase) {
    let outputs = bitsByThreadCount { c.forward($0) }
    #expect(outputs.allSatisfy { $0 == outputs[0] })
    let gradients = bitsByThreadCount { c.gradients($0) }
    #expect(gradients.allSatisfy { $0 == gradients[0] })
    #expect(c.gradients(ThreadPool(threadCount: 2)).allSatisfy { $0.isFinite })
  }

  /// Whatever images are computed together, gradients are the sums of each image's.
  @Test(arguments: AttentionCase.all) func gradientsAreSumsOverImages(_ c: AttentionCase) {
    let size = c.tokens * c.channels
    let pool = ThreadPool(threadCount: 2)
    let (x, dy, earlier) = (c.x, c.outputGradient, c.earlierGradients)
    let one = SelfAttention(
      kind: c.kind, batch: 1, tokens: c.tokens, channels: c.channels, heads: c.heads, headWidth: c.headWidth)
    var dx: [Float] = []
    var sums = earlier.map(Double.init)
    for image in 0..<c.batch {
      let range = image * size..<(image + 1) * size
      var own = [Float](repeating: .nan, count: size)
      var gradients = [Float](repeating: 0, count: earlier.count)
      gradients.withUnsafeMutableBufferPointer { gradients in
        let dOutput = gradients.baseAddress! + c.channels * 3 * c.hidden
        one.backward(
          Array(x[range]), qkvWeights: c.qkvWeights, outputWeights: c.outputWeights,
          outputGradient: Array(dy[range]), inputGradient: &own,
          qkvGradient: .adding(to: gradients.baseAddress!), outputWeightGradient: .adding(to: dOutput),
          biasGradient: dOutput + c.hidden * c.channels, pool: pool)
      }
      dx += own
      for (index, gradient) in gradients.enumerated() { sums[index] += Double(gradient) }
    }
    let together = c.gradients(pool)
    #expect(relativeError(of: Array(together[..<c.count]), from: dx) < 2e-6)
    #expect(relativeError(of: together[c.count...].map(Double.init), from: sums) < 2e-6)
  }

  /// Scores far beyond what e^x can hold.
  @Test(arguments: [SelfAttention.Kind.softmax, .linear]) func hugeScores(kind: SelfAttention.Kind) {
    let c = AttentionCase(
      kind: kind, batch: 1, tokens: 9, channels: 5, heads: 1, headWidth: 16, scale: 1e6)
    #expect(c.forward(ThreadPool(threadCount: 1)).allSatisfy { $0.isFinite })
    #expect(c.gradients(ThreadPool(threadCount: 1)).allSatisfy { $0.isFinite })
  }

  /// An image's result does not depend on which images it is with.
  @Test(arguments: [SelfAttention.Kind.softmax, .linear]) func imagesAreIndependent(kind: SelfAttention.Kind)
  {
    let c = AttentionCase(kind: kind, batch: 3, tokens: 10, channels: 6, heads: 1, headWidth: 16)
    var x = c.x
    x.replaceSubrange(0..<60, with: repeatElement(.nan, count: 60))
    var output = [Float](repeating: 0, count: c.count)
    c.attention.forward(
      x, qkvWeights: c.qkvWeights, outputWeights: c.outputWeights, bias: c.bias, output: &output,
      pool: ThreadPool(threadCount: 2))
    #expect(output[..<60].allSatisfy { $0.isNaN })
    #expect(
      bitPatterns(Array(output[60...])) == bitPatterns(Array(c.forward(ThreadPool(threadCount: 1))[60...])))
  }
}
