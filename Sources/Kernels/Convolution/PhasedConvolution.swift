/// The input gradient of a 4x4 convolution with stride 2 and padding 1, which halves even sides: each of the four
/// phases of input pixels (even and odd rows, even and odd columns) sees its own 2x2 taps, so the gradient of a phase
/// is a 2x2 convolution of the output's gradient, with no scattering or accumulation in memory.
struct PhasedConvolution {
  let shape: ConvolutionShape

  init(shape: ConvolutionShape) {
    precondition(shape.isHalving, "\(shape) does not halve even sides of one input")
    self.shape = shape
  }

  /// Writes the gradient of the input [B, 2P, 2Q, C], plus an optional `bias` [C], given the output's [B, P, Q, K].
  ///
  /// Input pixel (2p + a, 2q + b) lies under output pixel (p + a - 1 + r, q + b - 1 + s) at tap
  /// (3 - a - 2r, 3 - b - 2s), for r and s in {0, 1}. A task handles some pixels (p, q) of one phase (a, b).
  func inputGradient(
    outputGradient: UnsafePointer<Float>, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
    inputGradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let (c, k, p, q) = (shape.channels, shape.outputChannels, shape.outputHeight, shape.outputWidth)
    let tiles = ProductTiles(rows: shape.outputPixels, columns: c, times: 4)
    pool.parallel(4 * tiles.count) { task, worker in
      let (pixels, channels) = tiles[task / 4]
      let (a, b) = (task % 4 / 2, task % 2)
      let gathered = pool.scratch(pixels.count * (k + channels.count), worker: worker)
      let block = gathered + pixels.count * k
      if let bias {
        Elementwise.fillRows(
          block, rows: pixels.count, stride: channels.count, with: bias + channels.lowerBound,
          count: channels.count)
      }
      for (r, s) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        Patches.gatherTap(
          outputGradient, height: p, width: q, pixelStride: k, channels: 0..<k, pixels: pixels, grid: (p, q),
          stride: 1, y: a - 1 + r, x: b - 1 + s, into: gathered)
        let tap = (3 - a - 2 * r) * 4 + 3 - b - 2 * s
        MatrixProduct.compute(
          Matrix(gathered, rows: pixels.count, columns: k),
          Matrix(weights + (tap * c + channels.lowerBound) * k, rows: channels.count, columns: k).transposed,
          into: block, accumulating: bias != nil || r + s > 0, precision: shape.precision)
      }
      for (index, pixel) in pixels.enumerated() {
        let (row, column) = pixel.quotientAndRemainder(dividingBy: q)
        let target = ((2 * row + a) * 2 * q + 2 * column + b) * c + channels.lowerBound
        (inputGradient + target).update(from: block + index * channels.count, count: channels.count)
      }
    }
  }
}
