import Kernels
import Testing

/// What kernels' arithmetic is counted as, by hand.
@Suite struct KernelShapeTests {
  @Test func aConvolutionCountsItsProducts() {
    let shape = ConvolutionShape(
      batch: 3, height: 9, width: 8, inputChannels: [4, 5], outputChannels: 6, kernel: 3, stride: 2,
      padding: 1
    )
    #expect(shape.flops == 2 * (3 * 5 * 4) * 6 * (3 * 3 * 9))
  }

  @Test func attentionCountsItsFourProducts() {
    func flops(_ kind: SelfAttention.Kind) -> Int {
      SelfAttention(kind: kind, batch: 2, tokens: 50, channels: 24, heads: 3, headWidth: 16).flops
    }
    let projections = 50 * 24 * (3 * 48) + 50 * 48 * 24
    #expect(flops(.softmax) == 2 * 2 * (projections + 3 * (50 * 50 * 16) * 2))
    #expect(flops(.linear) == 2 * 2 * (projections + 3 * (50 * 16 * 16) * 2))
  }

  @Test func theCoreOfAttentionCountsItsTwoProducts() {
    let core = DotProductAttention(batch: 2, tokens: 50, heads: 3, headWidth: 10)
    #expect(core.flops == 2 * 2 * 3 * (50 * 50 * 10) * 2)
  }

  /// By hand: each pixel of each of the 4 input channels goes to 4 x 4 places of 6 output channels.
  @Test func aTransposedConvolutionCountsTheProductsOfItsInputs() {
    let adjoint = TransposedConvolution.shape(
      batch: 2, height: 5, width: 7, inputChannels: 4, outputChannels: 6, kernel: 4, stride: 2, padding: 1)
    #expect(TransposedConvolutionShape(adjoint: adjoint).flops == 2 * (2 * 5 * 7 * 4) * (4 * 4 * 6))
  }

  @Test func aMatrixProductCountsEachElementsSum() {
    #expect(MatrixProductShape(rows: 3, inner: 5, columns: 7).flops == 2 * 3 * 5 * 7)
    #expect(LinearTransform(rows: 3, inputs: 5, outputs: 7, activation: .gelu).flops == 2 * 3 * 5 * 7)
  }

  @Test func aNormalisationIsBoundByMemory() {
    #expect(GroupNormalization(batch: 2, pixels: 9, channels: 4, groups: 2).flops == 0)
  }

  /// How fast is not for a test to say; but no processor is slower than the first supercomputers.
  @Test func thePeakIsARate() {
    for threads in [1, 2] {
      let rate = PeakArithmetic.flopsPerSecond(pool: ThreadPool(threadCount: threads))
      #expect(rate.isFinite && rate > 1e7)
    }
  }
}
