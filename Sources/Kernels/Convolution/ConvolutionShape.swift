/// The shape of a 2-D convolution, in PyTorch's terms. Images are channels last.
///
/// Dimension letters: B batch, H and W the input's height and width, P and Q the output's, C input channels,
/// K output channels, R the kernel's side.
public struct ConvolutionShape: Hashable, Sendable {
  public let batch: Int
  public let height: Int
  public let width: Int
  /// The channels of each input: several inputs are treated as if concatenated, without being copied together.
  public let inputChannels: [Int]
  public let outputChannels: Int
  public let kernel: Int
  public let stride: Int
  /// The number of zeros before the first row and column.
  public let padding: Int
  /// The number of zeros after the last row and column.
  public let endPadding: Int
  /// How factors are rounded if the convolution is computed as a matrix product.
  public let precision: ProductPrecision

  /// - Parameter endPadding: nil for the same as `padding`.
  public init(
    batch: Int, height: Int, width: Int, inputChannels: [Int], outputChannels: Int, kernel: Int,
    stride: Int = 1, padding: Int = 0, endPadding: Int? = nil, precision: ProductPrecision = .float32
  ) {
    let endPadding = endPadding ?? padding
    precondition(
      batch > 0 && inputChannels.allSatisfy { $0 > 0 } && !inputChannels.isEmpty && outputChannels > 0
        && kernel > 0
        && stride > 0 && padding >= 0 && endPadding >= 0 && height + padding + endPadding >= kernel
        && width + padding + endPadding >= kernel,
      "no convolution: \(batch) x \(height) x \(width) x \(inputChannels) -> \(outputChannels), kernel \(kernel), "
        + "stride \(stride), padding \(padding) and \(endPadding)")
    self.batch = batch
    self.height = height
    self.width = width
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    self.endPadding = endPadding
    self.precision = precision.of(inputs: inputChannels.min() ?? 0, outputs: outputChannels)
  }

  public var channels: Int { inputChannels.reduce(0, +) }
  public var outputHeight: Int { (height + padding + endPadding - kernel) / stride + 1 }
  public var outputWidth: Int { (width + padding + endPadding - kernel) / stride + 1 }
  /// The number of input floats under one output pixel: R * R * C.
  public var patchLength: Int { kernel * kernel * channels }
  public var outputPixels: Int { batch * outputHeight * outputWidth }

  /// The number of rows of output pixels over all images: the unit in which work is divided.
  var outputRows: Int { batch * outputHeight }

  /// The number of output rows whose patches fill about half a megabyte and so stay in the L2 cache.
  var rowsPerBlock: Int { min(max(131_072 / (patchLength * outputWidth), 1), outputRows) }

  /// Whether this is a convolution of one input that halves even sides, as in DDPM's networks.
  var isHalving: Bool {
    kernel == 4 && stride == 2 && padding == 1 && endPadding == 1 && inputChannels.count == 1
      && height % 2 == 0
      && width % 2 == 0
  }

  /// Whether this is a 1x1 convolution that reads its inputs in place.
  var isPointwise: Bool { kernel == 1 && stride == 1 && padding == 0 && endPadding == 0 }
}
