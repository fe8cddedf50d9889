import Kernels
import NumericsTestSupport
import Testing

/// What kernels add where they write has the bits of an addition that follows them.
@Suite struct ResidualTests {
  private func sum(_ a: [Float], _ b: [Float]) -> [Float] { zip(a, b).map { $0 + $1 } }

  @Test(
    arguments: [(3, 7, 6, 2), (2, 5, 28, 1), (1, 33, 40, 8)], [GroupNormalization.Activation.none, .silu])
  func groupNormalization(size: (Int, Int, Int, Int), activation: GroupNormalization.Activation) {
    let (batch, pixels, channels, groups) = size
    let norm = GroupNormalization(
      batch: batch, pixels: pixels, channels: channels, groups: groups, activation: activation)
    let pool = ThreadPool(threadCount: 2)
    let count = batch * pixels * channels
    let (x, added, dy) = (
      normalValues(count, seed: 1), normalValues(count, seed: 2), normalValues(count, seed: 3)
    )
    let (gamma, beta) = (normalValues(channels, seed: 4), normalValues(channels, seed: 5))
    func pass(_ residual: [Float]?) -> (output: [Float], inputGradient: [Float]) {
      var (y, dx) = ([Float](repeating: .nan, count: count), [Float](repeating: .nan, count: count))
      var statistics = [Float](repeating: .nan, count: batch * groups * 2)
      withPointer(residual) { residual in
        norm.forward(
          x, gamma: gamma, beta: beta, scaleShift: nil, residual: residual, output: &y,
          statistics: &statistics, pool: pool)
        norm.backward(
          x, gamma: gamma, beta: beta, scaleShift: nil, statistics: statistics, outputGradient: dy,
          addend: residual, inputGradient: &dx, scaleShiftGradient: nil, gammaGradient: nil,
          betaGradient: nil, pool: pool)
      }
      return (y, dx)
    }
    let (alone, together) = (pass(nil), pass(added))
    #expect(bitPatterns(together.output) == bitPatterns(sum(alone.output, added)))
    #expect(bitPatterns(together.inputGradient) == bitPatterns(sum(alone.inputGradient, added)))
  }

  @Test(arguments: [(2, 5, 6), (3, 70, 33), (1, 9, 48)]) func layerNormalization(size: (Int, Int, Int)) {
    let (batch, tokens, channels) = size
    let norm = LayerNormalization(batch: batch, tokens: tokens, channels: channels, epsilon: 1e-5)
    let pool = ThreadPool(threadCount: 2)
    let count = batch * tokens * channels
    let (x, added, dy) = (
      normalValues(count, seed: 1), normalValues(count, seed: 2), normalValues(count, seed: 3)
    )
    var (y, statistics) = (
      [Float](repeating: 0, count: count), [Float](repeating: 0, count: batch * tokens * 2)
    )
    norm.forward(
      x, gamma: nil, beta: nil, modulation: nil, output: &y, statistics: &statistics, pool: pool)
    func inputGradient(_ addend: [Float]?) -> [Float] {
      var dx = [Float](repeating: .nan, count: count)
      withPointer(addend) { addend in
        norm.backward(
          x, gamma: nil, beta: nil, modulation: nil, statistics: statistics, outputGradient: dy,
          addend: addend, inputGradient: &dx, gammaGradient: nil, betaGradient: nil, scaleGradient: nil,
          shiftGradient: nil, pool: pool)
      }
      return dx
    }
    #expect(bitPatterns(inputGradient(added)) == bitPatterns(sum(inputGradient(nil), added)))
  }

  @Test(arguments: [(3, 5, 7), (130, 20, 33), (70, 64, 400)], [LinearTransform.Activation.none, .gelu])
  func linear(size: (Int, Int, Int), activation: LinearTransform.Activation) {
    let (rows, inputs, outputs) = size
    let transform = LinearTransform(rows: rows, inputs: inputs, outputs: outputs, activation: activation)
    let pool = ThreadPool(threadCount: 2)
    let (x, weights) = (normalValues(rows * inputs, seed: 1), normalValues(inputs * outputs, seed: 2))
    let (bias, added) = (normalValues(outputs, seed: 3), normalValues(rows * outputs, seed: 4))
    func output(_ residual: [Float]?, keeping: Bool) -> [Float] {
      var y = [Float](repeating: .nan, count: rows * outputs)
      var u = y
      withPointer(residual) { residual in
        u.withUnsafeMutableBufferPointer { u in
          transform.forward(
            x, weights: weights, bias: bias, residual: residual,
            activationInput: keeping ? u.baseAddress : nil, output: &y, pool: pool)
        }
      }
      return y
    }
    let expected = bitPatterns(sum(output(nil, keeping: false), added))
    #expect(bitPatterns(output(added, keeping: false)) == expected)
    #expect(activation == .none || bitPatterns(output(added, keeping: true)) == expected)
  }

  private func withPointer(_ values: [Float]?, _ body: (UnsafePointer<Float>?) -> Void) {
    guard let values else { return body(nil) }
    values.withUnsafeBufferPointer { body($0.baseAddress) }
  }
}
