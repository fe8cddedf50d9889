import Kernels
import NumericsTestSupport
import Testing

@Suite struct NearestUpsamplingTests {
  @Test(arguments: [(1, 1, 1, 1), (2, 3, 5, 7), (1, 4, 2, 28), (3, 1, 6, 33)])
  func matchesReference(batch: Int, height: Int, width: Int, channels: Int) {
    let count = batch * height * width * channels
    let x = normalValues(count, seed: 1)
    let dy = normalValues(4 * count, seed: 2)
    var expected = [Float](repeating: .nan, count: 4 * count)
    ReferenceNearestUpsampling.forward(
      x, batch: batch, height: height, width: width, channels: channels, output: &expected)
    let outputs = bitsByThreadCount { pool in
      var output = [Float](repeating: .nan, count: 4 * count)
      NearestUpsampling.forward(
        x, batch: batch, height: height, width: width, channels: channels, output: &output, pool: pool)
      return output
    }
    #expect(outputs.allSatisfy { $0 == bitPatterns(expected) })

    var expectedGradient = [Float](repeating: .nan, count: count)
    ReferenceNearestUpsampling.backward(
      dy, batch: batch, height: height, width: width, channels: channels, inputGradient: &expectedGradient)
    let gradients = bitsByThreadCount { pool in
      var gradient = [Float](repeating: .nan, count: count)
      NearestUpsampling.backward(
        dy, batch: batch, height: height, width: width, channels: channels, inputGradient: &gradient,
        pool: pool)
      return gradient
    }
    #expect(gradients.allSatisfy { $0 == gradients[0] })
    #expect(relativeError(of: gradients[0].map(Float.init(bitPattern:)), from: expectedGradient) < 1e-6)
  }

  @Test func referenceByHand() {
    var output = [Float](repeating: .nan, count: 16)
    ReferenceNearestUpsampling.forward(
      [1, 2, 3, 4], batch: 1, height: 1, width: 2, channels: 2, output: &output)
    #expect(output == [1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4])
  }
}

@Suite struct WeightStandardizationTests {
  @Test(arguments: [(1, 1), (9, 3), (27, 28), (252, 33), (2304, 17)], [0, 5] as [Float])
  func matchesReference(size: (Int, Int), mean: Float) {
    let (fanIn, outputs) = size
    let weights = normalValues(fanIn * outputs, seed: 1).map { 0.1 * $0 + mean }
    var expected = [Float](repeating: .nan, count: fanIn * outputs)
    ReferenceWeightStandardization.forward(weights, fanIn: fanIn, outputs: outputs, standardized: &expected)
    let results = bitsByThreadCount { pool in
      var standardized = [Float](repeating: .nan, count: fanIn * outputs)
      var statistics = [Float](repeating: .nan, count: 2 * outputs)
      WeightStandardization.forward(
        weights, fanIn: fanIn, outputs: outputs, standardized: &standardized, statistics: &statistics,
        pool: pool)
      return standardized + statistics
    }
    #expect(results.allSatisfy { $0 == results[0] })
    let values = results[0].map(Float.init(bitPattern:))
    // Weights whose mean is fifty times their spread keep that many fewer digits.
    let bound = mean == 0 ? 2e-6 : 2e-4
    #expect(relativeError(of: Array(values[..<expected.count]), from: expected) < bound)
    let again = bitsByThreadCount { pool in
      var standardized = [Float](repeating: .nan, count: fanIn * outputs)
      WeightStandardization.apply(
        Array(values[expected.count...]), to: weights, fanIn: fanIn, outputs: outputs,
        standardized: &standardized, pool: pool)
      return standardized
    }
    #expect(again.allSatisfy { $0 == Array(results[0][..<expected.count]) })

    let gradient = normalValues(fanIn * outputs, seed: 2)
    let gradients = bitsByThreadCount { pool in
      var sum = normalValues(fanIn * outputs, seed: 3)
      sum.withUnsafeMutableBufferPointer {
        WeightStandardization.addGradient(
          Array(values[..<expected.count]), statistics: Array(values[expected.count...]),
          standardizedGradient: gradient, fanIn: fanIn, outputs: outputs,
          gradient: .adding(to: $0.baseAddress!), pool: pool)
      }
      return sum
    }
    #expect(gradients.allSatisfy { $0 == gradients[0] })
  }
}
