import Kernels
import NumericsTestSupport
import Testing

/// A transposed convolution with values for all that goes in, and each of its kernels as a function to arrays.
struct TransposedConvolutionCase: CustomTestStringConvertible, Sendable {
  let shape: ConvolutionShape

  /// Of images of `height` x `width`, from `inputs` to `outputs` channels.
  init(
    _ batch: Int, _ height: Int, _ width: Int, _ inputs: Int, _ outputs: Int, kernel: Int = 4,
    stride: Int = 2,
    padding: Int = 1
  ) {
    shape = TransposedConvolution.shape(
      batch: batch, height: height, width: width, inputChannels: inputs, outputChannels: outputs,
      kernel: kernel, stride: stride, padding: padding)
  }

  var testDescription: String {
    "\(shape.batch)x\(shape.outputHeight)x\(shape.outputWidth) \(shape.outputChannels)->\(shape.channels) "
      + "k\(shape.kernel) s\(shape.stride) p\(shape.padding)"
  }

  var outputCount: Int { shape.batch * shape.height * shape.width * shape.channels }
  var x: [Float] { normalValues(shape.outputPixels * shape.outputChannels, seed: 1) }
  var weights: [Float] { normalValues(shape.patchLength * shape.outputChannels, seed: 2) }
  var bias: [Float] { normalValues(shape.channels, seed: 3) }
  var outputGradient: [Float] { normalValues(outputCount, seed: 4) }

  func forward(_ pool: ThreadPool) -> [Float] {
    var output = [Float](repeating: .nan, count: outputCount)
    TransposedConvolution.forward(shape, x, weights: weights, bias: bias, output: &output, pool: pool)
    return output
  }

  /// The adjoint of the reference's convolution, plus the bias.
  func expectedOutput() -> [Float] {
    var output = [Float](repeating: .nan, count: outputCount)
    output.withUnsafeMutableBufferPointer {
      ReferenceConvolution.inputGradient(
        shape, outputGradient: x, weights: weights, inputGradients: [$0.baseAddress!])
    }
    let bias = bias
    return output.enumerated().map { $1 + bias[$0 % bias.count] }
  }

  /// dx, dW and db one after the other; what is not wanted stays as it was.
  func gradients(_ pool: ThreadPool, wanted: Set<Int> = [0, 1, 2]) -> [[Float]] {
    var dx = [Float](repeating: .nan, count: x.count)
    var (dw, db) = (normalValues(weights.count, seed: 5), normalValues(bias.count, seed: 6))
    dx.withUnsafeMutableBufferPointer { dx in
      dw.withUnsafeMutableBufferPointer { dw in
        db.withUnsafeMutableBufferPointer { db in
          TransposedConvolution.backward(
            shape, x, weights: weights, outputGradient: outputGradient,
            inputGradient: wanted.contains(0) ? dx.baseAddress : nil,
            weightGradient: wanted.contains(1) ? .adding(to: dw.baseAddress!) : nil,
            biasGradient: wanted.contains(2) ? db.baseAddress : nil, pool: pool)
        }
      }
    }
    return [dx, dw, db]
  }

  func expectedGradients() -> [[Float]] {
    var dx = [Float](repeating: .nan, count: x.count)
    var (dw, db) = (normalValues(weights.count, seed: 5), normalValues(bias.count, seed: 6))
    let outputGradient = outputGradient
    outputGradient.withUnsafeBufferPointer { dy in
      ReferenceConvolution.forward(shape, inputs: [dy.baseAddress!], weights: weights, bias: nil, output: &dx)
      ReferenceConvolution.addWeightGradient(
        shape, inputs: [dy.baseAddress!], outputGradient: x, gradient: &dw)
    }
    for channel in db.indices {
      let sum = stride(from: channel, to: outputCount, by: db.count).reduce(0) {
        $0 + Double(outputGradient[$1])
      }
      db[channel] = Float(Double(db[channel]) + sum)
    }
    return [dx, dw, db]
  }

  static let all: [TransposedConvolutionCase] = [
    .init(1, 1, 1, 1, 1),
    .init(2, 1, 3, 5, 7),
    .init(3, 4, 4, 16, 8),
    .init(2, 5, 3, 33, 20),
    // Several blocks, which end within an image.
    .init(3, 16, 15, 64, 32),
    .init(9, 8, 7, 48, 16),
    .init(1, 3, 300, 4, 3),
    // Kernels without phases.
    .init(2, 4, 3, 5, 6, kernel: 2, padding: 0),
    .init(1, 3, 4, 6, 5, kernel: 3, stride: 1),
    .init(2, 3, 2, 3, 4, kernel: 5, stride: 3, padding: 2),
    .init(2, 4, 4, 3, 4, kernel: 4, stride: 2, padding: 0),
  ]
}

@Suite struct TransposedConvolutionTests {
  @Test(arguments: TransposedConvolutionCase.all) func matchesReference(_ c: TransposedConvolutionCase) {
    let pool = ThreadPool(threadCount: 2)
    #expect(relativeError(of: c.forward(pool), from: c.expectedOutput()) < 1e-5)
    for (ours, theirs) in zip(c.gradients(pool), c.expectedGradients()) {
      #expect(relativeError(of: ours, from: theirs) < 1e-5)
    }
  }

  @Test(arguments: TransposedConvolutionCase.all) func threadsDoNotChangeBits(_ c: TransposedConvolutionCase)
  {
    for kernel in [{ c.forward($0) }, { c.gradients($0).flatMap { $0 } }] as [(ThreadPool) -> [Float]] {
      let results = bitsByThreadCount(kernel)
      #expect(results.allSatisfy { $0 == results[0] })
    }
  }

  /// Only what is wanted is written, the same as if all were.
  @Test(arguments: 0..<3) func gradientsThatAreNotWanted(wanted: Int) {
    let c = TransposedConvolutionCase(2, 5, 3, 33, 20)
    let pool = ThreadPool(threadCount: 2)
    let (all, alone, none) = (
      c.gradients(pool), c.gradients(pool, wanted: [wanted]), c.gradients(pool, wanted: [])
    )
    for index in 0..<3 {
      #expect(bitPatterns(alone[index]) == bitPatterns(index == wanted ? all[index] : none[index]))
    }
  }

  /// One pixel of value 2 leaves the kernel's middle 2x2 taps, and the bias, in the 2x2 image.
  @Test func byHand() {
    let shape = TransposedConvolution.shape(
      batch: 1, height: 1, width: 1, inputChannels: 1, outputChannels: 1, kernel: 4, stride: 2, padding: 1)
    #expect(shape.height == 2 && shape.width == 2)
    var output = [Float](repeating: .nan, count: 4)
    TransposedConvolution.forward(
      shape, [2], weights: (0..<16).map { Float($0) }, bias: [0.5], output: &output,
      pool: ThreadPool(threadCount: 1))
    #expect(output == [10.5, 12.5, 18.5, 20.5])
  }
}
