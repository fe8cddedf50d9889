import Kernels
import NumericsTestSupport
import Testing

@Suite struct PeriodicPaddingTests {
  @Test(arguments: [
    (1, 1, 1, 1, 1, 1), (2, 3, 5, 7, 1, 1), (1, 4, 2, 28, 0, 1), (3, 2, 6, 33, 2, 0), (1, 2, 3, 5, 2, 3),
  ])
  func matchesReference(
    batch: Int, height: Int, width: Int, channels: Int, before: Int, behind: Int
  ) {
    let count = batch * height * width * channels
    let padded = batch * (height + before + behind) * (width + before + behind) * channels
    let x = normalValues(count, seed: 1)
    let dy = normalValues(padded, seed: 2)
    var expected = [Float](repeating: .nan, count: padded)
    ReferencePeriodicPadding.forward(
      x, batch: batch, height: height, width: width, channels: channels, before: before, behind: behind,
      output: &expected)
    let outputs = bitsByThreadCount { pool in
      var output = [Float](repeating: .nan, count: padded)
      PeriodicPadding.forward(
        x, batch: batch, height: height, width: width, channels: channels, before: before, behind: behind,
        output: &output, pool: pool)
      return output
    }
    #expect(outputs.allSatisfy { $0 == bitPatterns(expected) })

    var expectedGradient = [Float](repeating: .nan, count: count)
    ReferencePeriodicPadding.backward(
      dy, batch: batch, height: height, width: width, channels: channels, before: before, behind: behind,
      inputGradient: &expectedGradient)
    let gradients = bitsByThreadCount { pool in
      var gradient = [Float](repeating: .nan, count: count)
      PeriodicPadding.backward(
        dy, batch: batch, height: height, width: width, channels: channels, before: before, behind: behind,
        inputGradient: &gradient, pool: pool)
      return gradient
    }
    #expect(gradients.allSatisfy { $0 == gradients[0] })
    #expect(relativeError(of: gradients[0].map(Float.init(bitPattern:)), from: expectedGradient) < 1e-6)
  }

  @Test func referenceByHand() {
    var output = [Float](repeating: .nan, count: 8)
    ReferencePeriodicPadding.forward(
      [1, 2, 3], batch: 1, height: 1, width: 3, channels: 1, before: 0, behind: 1, output: &output)
    #expect(output == [1, 2, 3, 1, 1, 2, 3, 1])
  }
}
