/// 4x4 convolution with stride 2 and padding 1, which halves even sides, by Winograd's F(4x4, 2x2): each of the four
/// phases of input pixels (even and odd rows, even and odd columns) sees its own 2x2 taps. A tile of 4x4 outputs takes
/// 100 products for each pair of channels, where direct convolution takes 256.
///
/// Layouts are those of `Convolution`.
struct PhasedWinogradConvolution {
  private typealias Scheme = F4x4_2x2
  private typealias Pass = WinogradPass<Scheme>

  let shape: ConvolutionShape
  private let pass: Pass

  /// nil if the algorithm does not support the shape, or if there are too few pixels per tile for it to pay off.
  init?(_ shape: ConvolutionShape) {
    guard shape.isHalving, shape.channels >= Vector.width && shape.outputChannels >= Vector.width else {
      return nil
    }
    self.shape = shape
    pass = Pass(batch: shape.batch, height: shape.outputHeight, width: shape.outputWidth)
    // Multiply-adds per pair of channels; transforming four filters costs as much as 400.
    guard 16 * shape.outputPixels > 4 * pass.tiles.products + 400 else { return nil }
  }

  private static let phases = [(0, 0), (0, 1), (1, 0), (1, 1)]

  /// The distance between taps in floats.
  private var matrix: Int { shape.channels * shape.outputChannels }

  /// Output row p depends on even rows p and p + 1 through taps 1 and 3, and on odd rows p - 1 and p through taps 0 and
  /// 2; likewise for columns.
  private var kernels: WinogradKernels {
    WinogradKernels(
      Self.phases.map { a, b in
        WinogradTaps(first: ((1 - a) * 4 + 1 - b) * matrix, rowStride: 8 * matrix, columnStride: 2 * matrix)
      }, channels: shape.channels, outputChannels: shape.outputChannels)
  }

  /// The pixels of one phase of the input [B, 2P, 2Q, C].
  private func phase<Pointer: Strideable>(_ a: Int, _ b: Int, of input: Pointer) -> WinogradImage<Pointer>
  where Pointer.Stride == Int {
    let (c, row) = (shape.channels, shape.width * shape.channels)
    return WinogradImage(
      input.advanced(by: a * row + b * c), channels: c, pixelStride: 2 * c, rowStride: 2 * row, above: a,
      before: b)
  }

  private func output<Pointer>(_ pixels: Pointer, above: Int = 0, before: Int = 0) -> WinogradImage<Pointer> {
    let k = shape.outputChannels
    return WinogradImage(
      pixels, channels: k, pixelStride: k, rowStride: shape.outputWidth * k, above: above, before: before)
  }

  func forward(
    input: UnsafePointer<Float>, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
    output: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    pass.convolve(
      Self.phases.map { phase($0, $1, of: input) }, WinogradFilters(weights, kernels), bias: bias,
      into: [(self.output(output), shape.outputChannels)], pool)
  }

  /// Writes the gradient of the input, plus an optional `bias` [C].
  ///
  /// Input 2p + a of phase a lies under outputs p + a - 1 + r at taps 3 - a - 2r, for r in {0, 1}.
  func inputGradient(
    outputGradient: UnsafePointer<Float>, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
    inputGradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    for (a, b) in Self.phases {
      let taps = WinogradTaps(
        first: ((3 - a) * 4 + 3 - b) * matrix, rowStride: -8 * matrix, columnStride: -2 * matrix)
      pass.convolve(
        [output(outputGradient, above: 1 - a, before: 1 - b)],
        WinogradFilters(
          exchanging: weights, taps, channels: shape.outputChannels, outputChannels: shape.channels),
        bias: bias, into: [(phase(a, b, of: inputGradient), shape.channels)], pool)
    }
  }

  /// Accumulates the weights' gradient [16, C, K] in `gradient`, and the bias's in `biasGradient` unless it is nil.
  func addWeightGradient(
    input: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>, gradient: GradientSum,
    biasGradient: UnsafeMutablePointer<Float>?, pool: ThreadPool
  ) {
    pass.addGradient(
      Self.phases.map { phase($0, $1, of: input) }, outputGradient: output(outputGradient), of: kernels,
      to: .init(weights: gradient, bias: biasGradient), pool)
  }

  var canUpdateWeights: Bool { pass.canUpdate(kernels) }

  func updateWeights(
    input: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>, by update: WeightUpdate?,
    pool: ThreadPool
  ) -> Double {
    pass.update(
      Self.phases.map { phase($0, $1, of: input) }, outputGradient: output(outputGradient), of: kernels,
      by: update, pool)
  }
}
