/// 2-D convolution as matrix products over blocks of patches that stay in cache. It supports any shape, and suits
/// inputs with few channels.
///
/// Layouts: inputs [B, H, W, Ci], weights [R, R, C, K], bias [K], output [B, P, Q, K].
struct PatchConvolution {
  let shape: ConvolutionShape

  /// output = weights * inputs + bias.
  func forward(
    inputs: [UnsafePointer<Float>], weights: UnsafePointer<Float>,
    bias: UnsafePointer<Float>?, output: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let k = shape.outputChannels
    let weightMatrix = Matrix(weights, rows: shape.patchLength, columns: k)
    pool.parallelPieces(shape.outputRows, of: shape.rowsPerBlock) { rows, worker in
      let pixels = rows.count * shape.outputWidth
      let block = output + rows.lowerBound * shape.outputWidth * k
      if let bias { Elementwise.fillRows(block, rows: pixels, stride: k, with: bias, count: k) }
      MatrixProduct.compute(
        patchMatrix(inputs: inputs, rows: rows, worker: worker, pool: pool), weightMatrix, into: block,
        accumulating: bias != nil, precision: shape.precision)
    }
  }

  /// Writes the gradients of the inputs; nil skips an input.
  ///
  /// With stride 1 this is a convolution of the output's gradient with the kernel rotated by 180 degrees, where each
  /// task writes separate pixels. Otherwise, and where the output's patches would be much larger than the input's,
  /// patches are scattered back, one image per task.
  func inputGradient(
    outputGradient: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    inputGradients: [UnsafeMutablePointer<Float>?], pool: ThreadPool
  ) {
    if shape.stride == 1 && shape.padding < shape.kernel && shape.endPadding == shape.padding
      && 4 * shape.channels > shape.outputChannels
    {
      turnedConvolution(outputGradient, weights, inputGradients, pool)
    } else {
      scatteredPatches(outputGradient, weights, inputGradients, pool)
    }
  }

  /// Accumulates the weights' gradient [R, R, C, K] in `gradient`.
  func addWeightGradient(
    inputs: [UnsafePointer<Float>], outputGradient: UnsafePointer<Float>,
    gradient: GradientSum, pool: ThreadPool
  ) {
    let k = shape.outputChannels
    let count = shape.patchLength * k
    // Partial sums over fixed pieces of the rows, added in order. Large weights usually have few rows of pixels to sum
    // over and their partial sums are expensive to add, so they get fewer pieces.
    let pieces = min(8, max(1, 2_097_152 / count), shape.outputRows)
    let pieceRows = (shape.outputRows + pieces - 1) / pieces
    let partial = pool.workspace(count * pieces)
    pool.parallelPieces(shape.outputRows, of: pieceRows) { piece, worker in
      let sum = partial + piece.lowerBound / pieceRows * count
      var start = piece.lowerBound
      while start < piece.upperBound {
        let rows = start..<min(start + shape.rowsPerBlock, piece.upperBound)
        let outputBlock = Matrix(
          outputGradient + start * shape.outputWidth * k, rows: rows.count * shape.outputWidth, columns: k)
        MatrixProduct.compute(
          patchMatrix(inputs: inputs, rows: rows, worker: worker, pool: pool).transposed, outputBlock,
          into: sum,
          accumulating: start > piece.lowerBound, precision: shape.precision)
        start = rows.upperBound
      }
    }
    let usedPieces = (shape.outputRows + pieceRows - 1) / pieceRows
    Reduction.addPieces(partial, pieces: usedPieces, count: count, to: gradient, pool: pool)
  }

  /// The patches of output rows `rows`, gathered as [pixels, R R C].
  private func patchMatrix(
    inputs: [UnsafePointer<Float>], rows: Range<Int>, worker: Int, pool: ThreadPool
  ) -> Matrix {
    let pixels = rows.count * shape.outputWidth
    let patches = pool.scratch(pixels * shape.patchLength, worker: worker)
    Patches.gather(shape, inputs: inputs, rows: rows, into: patches)
    return Matrix(patches, rows: pixels, columns: shape.patchLength)
  }

  private func turnedConvolution(
    _ outputGradient: UnsafePointer<Float>, _ weights: UnsafePointer<Float>,
    _ inputGradients: [UnsafeMutablePointer<Float>?], _ pool: ThreadPool
  ) {
    let (taps, c, k) = (shape.kernel * shape.kernel, shape.channels, shape.outputChannels)
    let turnedWeights = pool.workspace(taps * c * k)
    RotatedFilters.write(weights, taps: taps, channels: c, outputChannels: k, to: turnedWeights, pool: pool)
    let turned = PatchConvolution(
      shape: ConvolutionShape(
        batch: shape.batch, height: shape.outputHeight, width: shape.outputWidth, inputChannels: [k],
        outputChannels: c, kernel: shape.kernel, padding: shape.kernel - 1 - shape.padding))
    pool.parallelPieces(turned.shape.outputRows, of: turned.shape.rowsPerBlock) { rows, worker in
      let patches = turned.patchMatrix(inputs: [outputGradient], rows: rows, worker: worker, pool: pool)
      var channel = 0
      for (gradient, channels) in zip(inputGradients, shape.inputChannels) {
        if let gradient {
          MatrixProduct.compute(
            patches, Matrix(turnedWeights + channel, rows: taps * k, columns: channels, stride: c),
            into: gradient + rows.lowerBound * turned.shape.outputWidth * channels, precision: shape.precision
          )
        }
        channel += channels
      }
    }
  }

  private func scatteredPatches(
    _ outputGradient: UnsafePointer<Float>, _ weights: UnsafePointer<Float>,
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
          Matrix(outputGradient + start * shape.outputWidth * k, rows: pixels, columns: k),
          weightMatrix.transposed,
          into: patches, precision: shape.precision)
        Patches.scatterAdd(shape, patches, rows: rows, to: inputGradients)
        start = rows.upperBound
      }
    }
  }
}
