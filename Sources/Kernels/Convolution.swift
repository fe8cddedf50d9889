/// What a 2-D convolution computes, in PyTorch's terms. Images are channels last.
///
/// Dimension letters: B batch, H and W the input's height and width, P and Q the output's, C input channels,
/// K output channels, R the kernel's side.
public struct ConvolutionShape: Hashable, Sendable {
  public let batch: Int
  public let height: Int
  public let width: Int
  /// The channels of each input: two inputs are read as if they were concatenated, and never are.
  public let inputChannels: [Int]
  public let outputChannels: Int
  public let kernel: Int
  public let stride: Int
  public let padding: Int

  public init(
    batch: Int, height: Int, width: Int, inputChannels: [Int], outputChannels: Int, kernel: Int, stride: Int = 1,
    padding: Int = 0
  ) {
    precondition(
      batch > 0 && inputChannels.allSatisfy { $0 > 0 } && !inputChannels.isEmpty && outputChannels > 0 && kernel > 0
        && stride > 0 && padding >= 0 && height + 2 * padding >= kernel && width + 2 * padding >= kernel,
      "no convolution: \(batch) x \(height) x \(width) x \(inputChannels) -> \(outputChannels), kernel \(kernel), "
        + "stride \(stride), padding \(padding)")
    self.batch = batch
    self.height = height
    self.width = width
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
  }

  public var channels: Int { inputChannels.reduce(0, +) }
  public var outputHeight: Int { (height + 2 * padding - kernel) / stride + 1 }
  public var outputWidth: Int { (width + 2 * padding - kernel) / stride + 1 }
  /// Floats of the input under one output pixel: R * R * C.
  public var patchLength: Int { kernel * kernel * channels }
  public var outputPixels: Int { batch * outputHeight * outputWidth }

  /// Rows of output pixels, over all images: the unit in which the work is cut.
  var outputRows: Int { batch * outputHeight }

  /// Output rows whose patches fill about half a megabyte, so that they stay in the second-level cache.
  var rowsPerBlock: Int { min(max(131_072 / (patchLength * outputWidth), 1), outputRows) }

  /// A 1x1 convolution reads its inputs as they are.
  var isPointwise: Bool { kernel == 1 && stride == 1 && padding == 0 }
}

/// 2-D convolution as matrix products over blocks of patches that stay in cache.
///
/// Layouts: inputs [B, H, W, Ci], weights [R, R, C, K], bias [K], output [B, P, Q, K].
public enum Convolution {
  /// output = weights * inputs + bias.
  public static func forward(
    _ shape: ConvolutionShape, inputs: [UnsafePointer<Float>], weights: UnsafePointer<Float>,
    bias: UnsafePointer<Float>?, output: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let k = shape.outputChannels
    let weightMatrix = Matrix(weights, rows: shape.patchLength, columns: k)
    pool.parallelPieces(shape.outputRows, of: shape.rowsPerBlock) { rows, worker in
      let pixels = rows.count * shape.outputWidth
      let block = output + rows.lowerBound * shape.outputWidth * k
      if let bias { fillRows(block, rows: pixels, with: bias, count: k) }
      forEachPatchMatrix(shape, inputs: inputs, rows: rows, worker: worker, pool: pool) { patches, weightRows, first in
        MatrixProduct.compute(
          patches, weightMatrix.rowBlock(weightRows), into: block, accumulating: bias != nil || !first)
      }
    }
  }

  /// Writes the gradient of the inputs; an input whose place is nil is left out.
  ///
  /// With stride 1 it is itself a convolution of the output's gradient, with the kernel turned by 180 degrees: each
  /// task then writes pixels of its own. Otherwise patches are scattered back, one image a task.
  public static func inputGradient(
    _ shape: ConvolutionShape, outputGradient: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    inputGradients: [UnsafeMutablePointer<Float>?], pool: ThreadPool
  ) {
    if shape.stride == 1 && shape.padding < shape.kernel {
      turnedConvolution(shape, outputGradient, weights, inputGradients, pool)
    } else {
      scatteredPatches(shape, outputGradient, weights, inputGradients, pool)
    }
  }

  /// Adds the weights' gradient [R, R, C, K] to `gradient`.
  public static func addWeightGradient(
    _ shape: ConvolutionShape, inputs: [UnsafePointer<Float>], outputGradient: UnsafePointer<Float>,
    gradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let k = shape.outputChannels
    let count = shape.patchLength * k
    // Partial sums over fixed pieces of the rows, added in their order. Large weights have few rows of pixels to
    // sum over and are dear to add, so they get fewer pieces.
    let pieces = min(8, max(1, 2_097_152 / count), shape.outputRows)
    let pieceRows = (shape.outputRows + pieces - 1) / pieces
    let partial = FloatMemory.allocate(count * pieces)
    defer { partial.deallocate() }
    pool.parallelPieces(shape.outputRows, of: pieceRows) { piece, worker in
      let sum = partial.baseAddress! + piece.lowerBound / pieceRows * count
      var start = piece.lowerBound
      while start < piece.upperBound {
        let rows = start..<min(start + shape.rowsPerBlock, piece.upperBound)
        let outputBlock = Matrix(
          outputGradient + start * shape.outputWidth * k, rows: rows.count * shape.outputWidth, columns: k)
        forEachPatchMatrix(shape, inputs: inputs, rows: rows, worker: worker, pool: pool) { patches, weightRows, _ in
          MatrixProduct.compute(
            patches.transposed, outputBlock, into: sum + weightRows.lowerBound * k,
            accumulating: start > piece.lowerBound)
        }
        start = rows.upperBound
      }
    }
    let usedPieces = (shape.outputRows + pieceRows - 1) / pieceRows
    Reduction.addPieces(partial.baseAddress!, pieces: usedPieces, count: count, to: gradient, pool: pool)
  }

  /// Adds the bias's gradient [K] to `gradient`.
  public static func addBiasGradient(
    _ shape: ConvolutionShape, outputGradient: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>,
    pool: ThreadPool
  ) {
    Reduction.addColumnSums(
      outputGradient, rows: shape.outputPixels, columns: shape.outputChannels, to: gradient, pool: pool)
  }

  /// Hands over the patches of output rows `rows` as matrices [pixels, weight rows]: one matrix that was copied
  /// together, or for a 1x1 convolution each input as it lies.
  private static func forEachPatchMatrix(
    _ shape: ConvolutionShape, inputs: [UnsafePointer<Float>], rows: Range<Int>, worker: Int, pool: ThreadPool,
    _ body: (_ patches: Matrix, _ weightRows: Range<Int>, _ isFirst: Bool) -> Void
  ) {
    let pixels = rows.count * shape.outputWidth
    if shape.isPointwise {
      var weightRow = 0
      for (input, channels) in zip(inputs, shape.inputChannels) {
        let block = input + rows.lowerBound * shape.outputWidth * channels
        body(
          Matrix(block, rows: pixels, columns: channels), weightRow..<weightRow + channels, weightRow == 0)
        weightRow += channels
      }
    } else {
      let patches = pool.scratch(pixels * shape.patchLength, worker: worker)
      Patches.gather(shape, inputs: inputs, rows: rows, into: patches)
      body(Matrix(patches, rows: pixels, columns: shape.patchLength), 0..<shape.patchLength, true)
    }
  }

  private static func turnedConvolution(
    _ shape: ConvolutionShape, _ outputGradient: UnsafePointer<Float>, _ weights: UnsafePointer<Float>,
    _ inputGradients: [UnsafeMutablePointer<Float>?], _ pool: ThreadPool
  ) {
    let (taps, c, k) = (shape.kernel * shape.kernel, shape.channels, shape.outputChannels)
    // [R, R, K, C]: taps in reverse, each transposed.
    let turned = FloatMemory.allocate(taps * c * k)
    defer { turned.deallocate() }
    pool.parallel(taps) { tap, _ in
      let source = weights + (taps - 1 - tap) * c * k
      let target = turned.baseAddress! + tap * c * k
      for channel in 0..<c {
        for output in 0..<k { target[output &* c &+ channel] = source[channel &* k &+ output] }
      }
    }
    let backward = ConvolutionShape(
      batch: shape.batch, height: shape.outputHeight, width: shape.outputWidth, inputChannels: [k], outputChannels: c,
      kernel: shape.kernel, padding: shape.kernel - 1 - shape.padding)
    let turnedWeights = turned.baseAddress!
    pool.parallelPieces(backward.outputRows, of: backward.rowsPerBlock) { rows, worker in
      forEachPatchMatrix(backward, inputs: [outputGradient], rows: rows, worker: worker, pool: pool) { patches, _, _ in
        var channel = 0
        for (gradient, channels) in zip(inputGradients, shape.inputChannels) {
          if let gradient {
            MatrixProduct.compute(
              patches, Matrix(turnedWeights + channel, rows: taps * k, columns: channels, stride: c),
              into: gradient + rows.lowerBound * backward.outputWidth * channels)
          }
          channel += channels
        }
      }
    }
  }

  private static func scatteredPatches(
    _ shape: ConvolutionShape, _ outputGradient: UnsafePointer<Float>, _ weights: UnsafePointer<Float>,
    _ inputGradients: [UnsafeMutablePointer<Float>?], _ pool: ThreadPool
  ) {
    let k = shape.outputChannels
    let weightMatrix = Matrix(weights, rows: shape.patchLength, columns: k)
    pool.parallel(shape.batch) { image, worker in
      for (gradient, channels) in zip(inputGradients, shape.inputChannels) {
        let size = shape.height * shape.width * channels
        gradient.map { ($0 + image * size).update(repeating: 0, count: size) }
      }
      let imageRows = image * shape.outputHeight..<(image + 1) * shape.outputHeight
      var start = imageRows.lowerBound
      while start < imageRows.upperBound {
        let rows = start..<min(start + shape.rowsPerBlock, imageRows.upperBound)
        let pixels = rows.count * shape.outputWidth
        let patches = pool.scratch(pixels * shape.patchLength, worker: worker)
        MatrixProduct.compute(
          Matrix(outputGradient + start * shape.outputWidth * k, rows: pixels, columns: k), weightMatrix.transposed,
          into: patches)
        Patches.scatterAdd(shape, patches, rows: rows, to: inputGradients)
        start = rows.upperBound
      }
    }
  }

  private static func fillRows(
    _ target: UnsafeMutablePointer<Float>, rows: Int, with row: UnsafePointer<Float>, count: Int
  ) {
    for index in 0..<rows { (target + index &* count).update(from: row, count: count) }
  }
}
