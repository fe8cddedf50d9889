import Kernels
import NumericsTestSupport
import Tensors
import Testing

@Suite struct GradientTests {
  private let bound = 3e-4

  @Test(arguments: OperationCase.all) func gradientsAreDifferences(_ c: OperationCase) {
    for (index, error) in c.check.errors().enumerated() {
      #expect(error < bound, "input \(index)")
    }
  }

  /// A check that finds no wrong gradient would be worth nothing: backward of one function, values of another.
  @Test func wrongGradientsAreFound() {
    let wrongFunction = GradientCheck([[3, 7]]) { $0[0].tape.isRecording ? $0[0].silu() : $0[0].gelu() }
    #expect(wrongFunction.errors()[0] > 10 * bound)
    let twice = GradientCheck([[3, 7]]) { $0[0].tape.isRecording ? $0[0] + $0[0] : $0[0] }
    #expect(twice.errors()[0] > 10 * bound)
    let unused = GradientCheck([[3], [3]]) { $0[0] + ($0[0].tape.isRecording ? $0[0] : $0[1]) }
    #expect(unused.errors()[1] == .infinity)
  }

  /// Whatever else needs a gradient, an input that needs one gets the same.
  @Test(arguments: OperationCase.all) func anyInputsMayNeedNone(_ c: OperationCase) {
    let all = c.check.gradients()
    for index in c.shapes.indices {
      let alone = c.check.gradients(wanted: [index])
      #expect(alone[index].map(bitPatterns) == all[index].map(bitPatterns), "only input \(index)")
      #expect(alone.indices.allSatisfy { $0 == index || alone[$0] == nil }, "only input \(index)")
      let others = c.check.gradients(wanted: Set(c.shapes.indices).subtracting([index]))
      for other in c.shapes.indices where other != index {
        #expect(others[other].map(bitPatterns) == all[other].map(bitPatterns), "all but input \(index)")
      }
    }
    #expect(c.check.gradients(wanted: []).allSatisfy { $0 == nil })
  }

  @Test(arguments: OperationCase.all) func threadsDoNotChangeBits(_ c: OperationCase) {
    let outputs = comparedThreadCounts.map { bitPatterns(c.check.output(c.check.values, threads: $0)) }
    #expect(outputs.allSatisfy { $0 == outputs[0] })
    let gradients = comparedThreadCounts.map { c.check.gradients(threads: $0).map { $0.map(bitPatterns) } }
    #expect(gradients.allSatisfy { $0 == gradients[0] })
  }

  /// What is used several times gets the sum.
  @Test(
    arguments: [
      .init("a + a", [[2, 5]]) { $0[0] + $0[0] },
      .init("a + a + a", [[2, 5]]) { $0[0] + $0[0] + $0[0] },
      .init("two branches", [[2, 3, 2, 4], [1, 4, 4], [4]]) {
        let y = Tensor.convolution([$0[0]], weights: $0[1], bias: $0[2], kernel: 1)
        return y.silu() + (y + $0[0])
      },
      .init("a branch that is added to first", [[3, 4]]) {
        let y = $0[0].silu()
        return ($0[0] + y).gelu() + y
      },
      .init("one image twice in a convolution", [[1, 3, 3, 2], [9, 4, 3], [3]]) {
        .convolution([$0[0], $0[0]], weights: $0[1], bias: $0[2], kernel: 3, padding: 1)
      },
      .init("weights used twice", [[1, 3, 3, 2], [9, 2, 2], [2]]) {
        let y = Tensor.convolution([$0[0]], weights: $0[1], bias: $0[2], kernel: 3, padding: 1)
        return .convolution([y.silu()], weights: $0[1], bias: $0[2], kernel: 3, padding: 1)
      },
      .init("standardized weights used twice", [[1, 3, 3, 2], [9, 2, 2], [2]]) {
        let y = Tensor.convolution(
          [$0[0]], weights: $0[1], bias: $0[2], kernel: 3, padding: 1, standardizesWeights: true)
        return .convolution(
          [y.silu()], weights: $0[1], bias: $0[2], kernel: 3, padding: 1, standardizesWeights: true)
      },
      .init("a gain that is also a shift", [[2, 3, 4], [4]]) {
        $0[0].groupNormalized(groups: 2, gamma: $0[1], beta: $0[1], activation: .silu)
      },
      .init("a network", [[2, 4, 4, 4], [9, 4, 4], [4], [2, 6], [1, 6, 8], [8]], offsets: [0, 0, 1]) {
        let scales = $0[3].silu().linear(weights: $0[4], bias: $0[5])
        let h = Tensor.convolution(
          [$0[0]], weights: $0[1], bias: $0[2], kernel: 3, padding: 1, standardizesWeights: true
        )
        .groupNormalized(groups: 2, gamma: $0[2], beta: $0[2], scaleShift: scales, activation: .silu)
        return (h + $0[0]).upsampledToNearest()
      },
    ] as [OperationCase])
  func gradientsAddUp(_ c: OperationCase) {
    for (index, error) in c.check.errors().enumerated() { #expect(error < bound, "input \(index)") }
    let bits = comparedThreadCounts.map { c.check.gradients(threads: $0).map { $0.map(bitPatterns) } }
    #expect(bits.allSatisfy { $0 == bits[0] })
  }
}
