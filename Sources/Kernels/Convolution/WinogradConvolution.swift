/// 3x3 convolution with stride 1 and padding 1 by Winograd's F(4x4, 3x3): a tile of 4x4 outputs takes 36 products for
/// each pair of channels, where direct convolution takes 144.
///
/// Layouts are those of `Convolution`.
struct WinogradConvolution {
  private typealias Scheme = F4x4_3x3
  private typealias Pass = WinogradPass<Scheme>

  let shape: ConvolutionShape
  private let pass: Pass

  /// nil if the algorithm does not suit the shape: another kernel, too few channels to fill a vector, or so few pixels
  /// per tile that the savings in products do not outweigh the transforms.
  init?(_ shape: ConvolutionShape) {
    guard shape.kernel == 3, shape.stride == 1, shape.padding == 1, shape.endPadding == 1,
      (shape.inputChannels + [shape.outputChannels]).allSatisfy({ $0 >= Vector.width })
    else { return nil }
    self.shape = shape
    pass = Pass(batch: shape.batch, height: shape.height, width: shape.width)
    // Multiply-adds per pair of channels; transforming its filter costs as much as 150.
    guard 9 * shape.outputPixels > pass.tiles.products + 150 else { return nil }
  }

  /// The distance between taps in floats.
  private var matrix: Int { shape.channels * shape.outputChannels }

  private var kernels: WinogradKernels {
    WinogradKernels(
      [WinogradTaps(first: 0, rowStride: 3 * matrix, columnStride: matrix)], channels: shape.channels,
      outputChannels: shape.outputChannels)
  }

  /// All pixels; a tile's inputs begin one row above and one column before it.
  private func image<Pointer>(_ pixels: Pointer, _ channels: Int) -> WinogradImage<Pointer> {
    WinogradImage(
      pixels, channels: channels, pixelStride: channels, rowStride: shape.width * channels, above: 1,
      before: 1)
  }

  private func images(_ inputs: [UnsafePointer<Float>]) -> [Pass.Image] {
    zip(inputs, shape.inputChannels).map { image($0, $1) }
  }

  func forward(
    inputs: [UnsafePointer<Float>], weights: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
    output: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    pass.convolve(
      images(inputs), WinogradFilters(weights, kernels), bias: bias,
      into: [(image(output, shape.outputChannels), shape.outputChannels)], pool)
  }

  /// Writes the gradients of the inputs that are not nil: a convolution of the output's gradient with the filters
  /// rotated by 180 degrees.
  func inputGradient(
    outputGradient: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    inputGradients: [UnsafeMutablePointer<Float>?], pool: ThreadPool
  ) {
    let taps = WinogradTaps(first: 8 * matrix, rowStride: -3 * matrix, columnStride: -matrix)
    pass.convolve(
      [image(outputGradient, shape.outputChannels)],
      WinogradFilters(
        exchanging: weights, taps, channels: shape.outputChannels, outputChannels: shape.channels),
      bias: nil,
      into: zip(inputGradients, shape.inputChannels).map { gradient, channels in
        (gradient.map { image($0, channels) }, channels)
      }, pool)
  }

  /// Accumulates the weights' gradient [9, C, K] in `gradient`, and the bias's in `biasGradient` unless it is nil.
  func addWeightGradient(
    inputs: [UnsafePointer<Float>], outputGradient: UnsafePointer<Float>,
    gradient: GradientSum, biasGradient: UnsafeMutablePointer<Float>?, pool: ThreadPool
  ) {
    pass.addGradient(
      images(inputs), outputGradient: image(outputGradient, shape.outputChannels), of: kernels,
      to: .init(weights: gradient, bias: biasGradient), pool)
  }

  var canUpdateWeights: Bool { pass.canUpdate(kernels) }

  func updateWeights(
    inputs: [UnsafePointer<Float>], outputGradient: UnsafePointer<Float>, by update: WeightUpdate?,
    pool: ThreadPool
  ) -> Double {
    pass.update(
      images(inputs), outputGradient: image(outputGradient, shape.outputChannels), of: kernels, by: update,
      pool)
  }
}
