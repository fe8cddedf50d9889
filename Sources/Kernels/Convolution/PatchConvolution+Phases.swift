// The input's gradient of a 4x4 convolution of stride 2 and padding 1, which halves even sides: each of the four phases
// of the input's pixels (even and odd rows, even and odd columns) lies under 2x2 taps of its own, so the gradient of a
// phase is a 2x2 convolution of the output's gradient. Nothing is scattered or added up in memory.

extension PatchConvolution {
  var hasPhases: Bool {
    shape.kernel == 4 && shape.stride == 2 && shape.padding == 1 && shape.inputChannels.count == 1
      && shape.height % 2 == 0 && shape.width % 2 == 0
  }

  /// Writes the gradient of the input [B, 2P, 2Q, C], plus `bias` [C] if there is one, for the output's [B, P, Q, K].
  ///
  /// Input pixel (2p + a, 2q + b) lies under output pixel (p + a - 1 + r, q + b - 1 + s) at tap (3 - a - 2r, 3 - b - 2s),
  /// for r and s of 0 and 1. A task takes some rows of output pixels, and the phases of one a.
  func phasedInputGradient(
    outputGradient: UnsafePointer<Float>, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
    inputGradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let (c, k, q) = (shape.channels, shape.outputChannels, shape.outputWidth)
    // Patches and results fill about 0.75 MB of the second-level cache.
    let pixelsPerBlock = min(max(196_608 / (6 * k + 2 * c), 32), 256)
    let rowsPerBlock = min(max(pixelsPerBlock / q, 1), shape.outputRows)
    let blocks = (shape.outputRows + rowsPerBlock - 1) / rowsPerBlock
    pool.parallel(2 * blocks) { task, worker in
      let a = task % 2
      let rows = task / 2 * rowsPerBlock..<min((task / 2 + 1) * rowsPerBlock, shape.outputRows)
      let pixels = rows.count * q
      let patches = pool.scratch(pixels * (6 * k + 2 * c), worker: worker)
      gatherLines(outputGradient, rows: rows, phase: a, into: patches)
      // [rows, Q, b, C]: the order that the pixels of a row have in the input.
      let block = patches + pixels * 6 * k
      if let bias { fillRows(block, rows: 2 * pixels, with: bias, count: c) }
      for b in 0..<2 {
        for (r, s) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
          let tap = (3 - a - 2 * r) * 4 + 3 - b - 2 * s
          MatrixProduct.compute(
            Matrix(patches + (3 * r + b + s) * k, rows: pixels, columns: k, stride: 6 * k),
            Matrix(weights + tap * c * k, rows: c, columns: k).transposed, into: block + b * c, stride: 2 * c,
            accumulating: bias != nil || r + s > 0)
        }
      }
      for (index, row) in rows.enumerated() {
        (inputGradient + (2 * row + a) * 2 * q * c).update(from: block + index * 2 * q * c, count: 2 * q * c)
      }
    }
  }

  /// For each pixel (p, q) of `rows`, the pixels (p + a - 1 + r, q - 1 + s) for r in 0..<2 and s in 0..<3: [6, K].
  private func gatherLines(
    _ image: UnsafePointer<Float>, rows: Range<Int>, phase a: Int, into patches: UnsafeMutablePointer<Float>
  ) {
    let (k, q, height) = (shape.outputChannels, shape.outputWidth, shape.outputHeight)
    var target = patches
    for row in rows {
      for column in 0..<q {
        for r in 0..<2 {
          let y = row % height + a - 1 + r
          if y >= 0 && y < height {
            let firstTap = column == 0 ? 1 : 0
            let lastTap = column == q - 1 ? 2 : 3
            let source = image + ((row + a - 1 + r) * q + column - 1 + firstTap) * k
            if firstTap > 0 { target.update(repeating: 0, count: k) }
            (target + firstTap * k).update(from: source, count: (lastTap - firstTap) * k)
            if lastTap < 3 { (target + 2 * k).update(repeating: 0, count: k) }
          } else {
            target.update(repeating: 0, count: 3 * k)
          }
          target += 3 * k
        }
      }
    }
  }
}
