/// 2-D convolution as a sum of matrix products, one for each tap of the kernel, for inputs with enough channels to make
/// the products of single taps efficient.
///
/// Layouts: inputs [B, H, W, Ci], weights [R, R, C, K], bias [K], output [B, P, Q, K].
struct TapConvolution {
  let shape: ConvolutionShape

  /// nil if the inputs have too few channels.
  init?(_ shape: ConvolutionShape) {
    guard shape.isPointwise || shape.inputChannels.allSatisfy({ $0 >= Vector.width }) else { return nil }
    self.shape = shape
  }

  /// The number of output pixels whose inputs a task of a weights' gradient gathers at a time.
  private static let pixelsTogether = 256
  /// The minimal number of tasks for a weights' gradient; if it has fewer tiles, their sums are split into parts.
  private static let weightTasks = 8

  private var taps: Int { shape.kernel * shape.kernel }

  /// output = weights * inputs + bias.
  func forward(
    inputs: [UnsafePointer<Float>], weights: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
    output: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let k = shape.outputChannels
    let tiles = ProductTiles(rows: shape.outputPixels, columns: k)
    pool.parallel(tiles.count) { tile, worker in
      let (pixels, outputs) = tiles[tile]
      let block = output + (pixels.lowerBound * k + outputs.lowerBound)
      if let bias {
        Elementwise.fillRows(
          block, rows: pixels.count, stride: k, with: bias + outputs.lowerBound, count: outputs.count)
      }
      var weightRow = 0
      for tap in 0..<taps {
        for (input, channels) in zip(inputs, shape.inputChannels) {
          MatrixProduct.compute(
            inputPixels(input, channels, 0..<channels, pixels, tap: tap, pool, worker),
            Matrix(
              weights + (weightRow * k + outputs.lowerBound), rows: channels, columns: outputs.count,
              stride: k),
            into: block, stride: k, accumulating: bias != nil || weightRow > 0, precision: shape.precision)
          weightRow += channels
        }
      }
    }
  }

  /// Accumulates the weights' gradient [R, R, C, K] in `gradient`.
  func addWeightGradient(
    inputs: [UnsafePointer<Float>], outputGradient: UnsafePointer<Float>,
    gradient: GradientSum, pool: ThreadPool
  ) {
    let (c, k, pixels) = (shape.channels, shape.outputChannels, shape.outputPixels)
    struct Part {
      let input: Int
      let firstRow: Int
      let tiles: ProductTiles
    }
    var parts: [Part] = []
    var channel = 0
    for (index, channels) in shape.inputChannels.enumerated() {
      let tiles = ProductTiles(rows: channels, columns: k, times: taps)
      parts.append(Part(input: index, firstRow: channel, tiles: tiles))
      channel += channels
    }
    let tasks = parts.flatMap { part in (0..<part.tiles.count).map { (part, $0) } }
    let wanted = (Self.weightTasks + tasks.count * taps - 1) / (tasks.count * taps)
    let pieces = max(1, min(wanted, pixels / Self.pixelsTogether))
    let piecePixels = (pixels + pieces - 1) / pieces
    let count = taps * c * k
    let partial = pieces > 1 ? pool.workspace(pieces * count) : gradient.memory
    pool.parallel(tasks.count * taps * pieces) { task, worker in
      let (part, tile) = tasks[task % tasks.count]
      let tap = task / tasks.count % taps
      let piece = task / (tasks.count * taps)
      let (rows, outputs) = part.tiles[tile]
      let sum =
        partial + (piece * count + (tap * c + part.firstRow + rows.lowerBound) * k + outputs.lowerBound)
      let end = min((piece + 1) * piecePixels, pixels)
      for start in stride(from: piece * piecePixels, to: end, by: Self.pixelsTogether) {
        let some = start..<min(start + Self.pixelsTogether, end)
        MatrixProduct.compute(
          inputPixels(
            inputs[part.input], shape.inputChannels[part.input], rows, some, tap: tap, pool, worker
          ).transposed,
          Matrix(
            outputGradient + (some.lowerBound * k + outputs.lowerBound), rows: some.count,
            columns: outputs.count, stride: k), into: sum, stride: k,
          accumulating: pieces == 1 && gradient.isBegun || start > piece * piecePixels,
          precision: shape.precision)
      }
    }
    if pieces > 1 { Reduction.addPieces(partial, pieces: pieces, count: count, to: gradient, pool: pool) }
  }

  /// Writes the gradients of the inputs of a 1x1 convolution; nil skips an input.
  func pointwiseInputGradient(
    outputGradient: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    inputGradients: [UnsafeMutablePointer<Float>?], pool: ThreadPool
  ) {
    precondition(shape.isPointwise, "\(shape) is no 1x1 convolution")
    let k = shape.outputChannels
    var channel = 0
    for (gradient, channels) in zip(inputGradients, shape.inputChannels) {
      defer { channel += channels }
      guard let gradient else { continue }
      let tiles = ProductTiles(rows: shape.outputPixels, columns: channels)
      let first = weights + channel * k
      pool.parallel(tiles.count) { tile, _ in
        let (pixels, columns) = tiles[tile]
        MatrixProduct.compute(
          Matrix(outputGradient + pixels.lowerBound * k, rows: pixels.count, columns: k),
          Matrix(first + columns.lowerBound * k, rows: columns.count, columns: k).transposed,
          into: gradient + (pixels.lowerBound * channels + columns.lowerBound), stride: channels,
          precision: shape.precision)
      }
    }
  }

  /// Some channels of one input under `tap` of some output pixels: [pixels, channels].
  private func inputPixels(
    _ input: UnsafePointer<Float>, _ inputChannels: Int, _ channels: Range<Int>, _ pixels: Range<Int>,
    tap: Int, _ pool: ThreadPool, _ worker: Int
  ) -> Matrix {
    if shape.isPointwise {
      return Matrix(
        input + (pixels.lowerBound * inputChannels + channels.lowerBound), rows: pixels.count,
        columns: channels.count, stride: inputChannels)
    }
    let gathered = pool.scratch(pixels.count * channels.count, worker: worker)
    Patches.gatherTap(
      input, height: shape.height, width: shape.width, pixelStride: inputChannels, channels: channels,
      pixels: pixels, grid: (shape.outputHeight, shape.outputWidth), stride: shape.stride,
      y: tap / shape.kernel - shape.padding, x: tap % shape.kernel - shape.padding, into: gathered)
    return Matrix(gathered, rows: pixels.count, columns: channels.count)
  }
}
