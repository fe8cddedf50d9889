import Kernels
import NumericsTestSupport
import Testing

/// The fast convolution against the reference, and against itself on other numbers of threads.
@Suite struct ConvolutionTests {
  @Test(arguments: ConvolutionCase.all) func matchesReference(_ c: ConvolutionCase) {
    let pool = ThreadPool(threadCount: 2)
    #expect(relativeError(of: c.forward(pool), from: c.forward(nil)) < c.bound)
    #expect(
      relativeError(of: c.forward(pool, hasBias: false), from: c.forward(nil, hasBias: false)) < c.bound)
    #expect(relativeError(of: c.inputGradient(pool), from: c.inputGradient(nil)) < c.bound)
    #expect(relativeError(of: c.weightGradient(pool), from: c.weightGradient(nil)) < c.bound)
    #expect(relativeError(of: c.biasGradient(pool), from: c.biasGradient(nil)) < 2e-6)
    #expect(relativeError(of: c.biasGradient(pool, withWeights: false), from: c.biasGradient(nil)) < 2e-6)
  }

  /// A gradient that is the first is written over what was there.
  @Test(arguments: ConvolutionCase.all) func gradientsAreAddedOrWritten(_ c: ConvolutionCase) {
    let pool = ThreadPool(threadCount: 2)
    let start = normalValues(c.weightCount, seed: 4)
    let added = zip(c.weightGradient(pool), start).map { $0 - $1 }
    #expect(relativeError(of: added, from: c.freshWeightGradient(pool)) < 1e-5)
  }

  /// Winograd's algorithm trades digits for products: what networks compute with it keeps five.
  @Test(arguments: ConvolutionCase.ofNetworks) func networksKeepTheirDigits(_ c: ConvolutionCase) {
    let pool = ThreadPool(threadCount: 2)
    #expect(relativeError(of: c.forward(pool), from: c.forward(nil)) < 1e-5)
    #expect(relativeError(of: c.inputGradient(pool), from: c.inputGradient(nil)) < 1e-5)
    #expect(relativeError(of: c.weightGradient(pool), from: c.weightGradient(nil)) < 1e-5)
  }

  @Test(arguments: ConvolutionCase.all) func threadsDoNotChangeBits(_ c: ConvolutionCase) {
    for kernel in [
      { c.forward($0) }, { c.inputGradient($0) }, { c.weightGradient($0) }, { c.biasGradient($0) },
    ] as [(ThreadPool) -> [Float]] {
      let results = bitsByThreadCount(kernel)
      #expect(results.allSatisfy { $0 == results[0] })
    }
  }

  /// Of several inputs, only those that want a gradient get one, the same as if all did.
  @Test(arguments: ConvolutionCase.all.filter { $0.shape.inputChannels.count == 2 })
  func inputsThatNeedNoGradient(_ c: ConvolutionCase) {
    let pool = ThreadPool(threadCount: 2)
    let all = c.inputGradient(pool)
    let first = c.inputCount(0)
    let (one, other) = (c.inputGradient(pool, wanted: [0]), c.inputGradient(pool, wanted: [1]))
    #expect(bitPatterns(Array(one[..<first])) == bitPatterns(Array(all[..<first])))
    #expect(one[first...].allSatisfy { $0.isNaN })
    #expect(bitPatterns(Array(other[first...])) == bitPatterns(Array(all[first...])))
    #expect(other[..<first].allSatisfy { $0.isNaN })
    #expect(c.inputGradient(pool, wanted: []).allSatisfy { $0.isNaN })
  }

  /// The reference itself, on numbers that can be followed by hand.
  @Test func referenceByHand() {
    let shape = ConvolutionShape(
      batch: 1, height: 2, width: 3, inputChannels: [1], outputChannels: 1, kernel: 2, stride: 1, padding: 1)
    var output = [Float](repeating: 0, count: 12)
    // 1 2 3    under the kernel 1 10   with a border of zeros.
    // 4 5 6                   100 1000
    let x: [Float] = [1, 2, 3, 4, 5, 6]
    x.withUnsafeBufferPointer {
      ReferenceConvolution.forward(
        shape, inputs: [$0.baseAddress!], weights: [1, 10, 100, 1000], bias: [0.5], output: &output)
    }
    #expect(
      output == [
        1000.5, 2100.5, 3200.5, 300.5, 4010.5, 5421.5, 6532.5, 603.5, 40.5, 54.5, 65.5, 6.5,
      ])
  }

  /// <dy, J dx> = <Jᵀ dy, dx>: the reference's gradients are the adjoints of its forward pass.
  @Test(arguments: ConvolutionCase.all) func referenceGradientsAreAdjoint(_ c: ConvolutionCase) {
    func dot(_ a: [Float], _ b: [Float]) -> Double {
      zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    let linear = dot(c.forward(nil, hasBias: false), c.outputGradient)
    let byInput = dot(c.inputGradient(nil), Array(c.inputs.joined()))
    let start = normalValues(c.weightCount, seed: 4)
    let byWeights = dot(zip(c.weightGradient(nil), start).map { $0 - $1 }, c.weights)
    let size =
      dot(c.forward(nil), c.forward(nil)).squareRoot() * dot(c.outputGradient, c.outputGradient).squareRoot()
    #expect(abs(byInput - linear) < 1e-6 * size)
    #expect(abs(byWeights - linear) < 1e-6 * size)
  }
}
