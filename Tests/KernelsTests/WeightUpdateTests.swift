import Kernels
import NumericsTestSupport
import Testing

/// Weights that are updated where their gradient is made.
@Suite struct WeightUpdateTests {
  /// Of large filters, some in blocks that are not full: 3x3 with one input and two, also on sides that four does not
  /// divide, and 4x4 of stride 2.
  static let cases = [
    ConvolutionCase(2, 4, 4, [128], 96, kernel: 3, padding: 1),
    ConvolutionCase(2, 4, 4, [64, 96], 144, kernel: 3, padding: 1),
    ConvolutionCase(1, 7, 7, [96], 100, kernel: 3, padding: 1),
    ConvolutionCase(3, 8, 8, [64], 72, kernel: 4, stride: 2, padding: 1),
  ]

  private let adam = AdamUpdate(
    learningRate: 0.01, weightDecay: 0.01, gradientScale: 0.3, emaDecay: 0.9)

  /// Weights, moments and average, one after the other.
  private func values(_ count: Int, keepsEMA: Bool) -> FloatArrays {
    FloatArrays(
      normalValues(count, seed: 1), normalValues(count, seed: 2),
      normalValues(count, seed: 3).map(abs), keepsEMA ? normalValues(count, seed: 4) : [])
  }

  @Test(arguments: cases, [true, false])
  func bitsAreThoseOfAGradientInMemory(convolution: ConvolutionCase, keepsEMA: Bool) {
    let (shape, count) = (convolution.shape, convolution.weightCount)
    #expect(Convolution.canUpdateWeights(shape))
    let expected = values(count, keepsEMA: keepsEMA)
    let pool = ThreadPool(threadCount: 2)
    let gradient = convolution.freshWeightGradient(pool)
    adam(expected.pointers, to: expected.pointers, gradient: gradient, count: count, step: 3, pool: pool)
    let squares = Reduction.sumOfSquares(gradient, count: count, pool: pool)
    var sums: Set<Double> = []
    for threads in comparedThreadCounts {
      let values = values(count, keepsEMA: keepsEMA)
      let sum = convolution.updateWeights(
        by: WeightUpdate(AdamStep(adam, number: 3), of: values.pointers), ThreadPool(threadCount: threads))
      #expect(values.bits == expected.bits)
      #expect(abs(sum - squares) < 1e-12 * squares)
      sums.insert(sum)
    }
    sums.insert(convolution.updateWeights(by: nil, pool))
    #expect(sums.count == 1)
  }

  /// What is small is not worth it, or made in another way; nor is what is made of more than itself.
  @Test(arguments: [
    ConvolutionCase(1, 4, 4, [16], 16, kernel: 3, padding: 1),
    ConvolutionCase(1, 4, 4, [128], 128, kernel: 1),
    ConvolutionCase(8, 16, 16, [96], 96, kernel: 3, padding: 1),
  ]) func othersAreLeftAlone(convolution: ConvolutionCase) {
    #expect(!Convolution.canUpdateWeights(convolution.shape))
  }

  @Test(arguments: cases) func noElementIsBeyondTheBound(convolution: ConvolutionCase) {
    let pool = ThreadPool(threadCount: 2)
    let bound = convolution.weightGradientBound(pool)
    let largest = convolution.freshWeightGradient(pool).map(abs).max() ?? .infinity
    #expect(largest > 0 && largest <= bound && bound < 1e12 * largest)
    for value in [Float.nan, .infinity, -.infinity] {
      for input in [true, false] {
        #expect(!convolution.weightGradientBound(pool, placing: value, inInput: input).isFinite)
      }
    }
  }
}

/// What an update works on, aligned as in training.
private final class FloatArrays {
  private let memories: [UnsafeMutableBufferPointer<Float>]
  private let count: Int

  /// - Parameter ema: empty: the weights themselves.
  init(_ weights: [Float], _ firstMoment: [Float], _ secondMoment: [Float], _ ema: [Float]) {
    count = weights.count
    memories = [weights, firstMoment, secondMoment, ema].filter { !$0.isEmpty }.map { values in
      let memory = FloatMemory.allocate(values.count)
      memory.baseAddress!.update(from: values, count: values.count)
      return memory
    }
  }

  deinit { for memory in memories { memory.deallocate() } }

  var pointers: AdamUpdate.Values {
    let all = memories.map { $0.baseAddress! }
    return AdamUpdate.Values(
      weights: all[0], firstMoment: all[1], secondMoment: all[2], ema: all.count > 3 ? all[3] : all[0])
  }

  var bits: [[UInt32]] { memories.map { $0[..<count].map(\.bitPattern) } }
}
