/// 3x3 convolution of stride 1 and padding 1 by Winograd's F(4x4, 3x3): a tile of 4x4 outputs takes 36 products for
/// each pair of channels, where the direct way takes 144.
///
/// T tiles in all; xi is one of the 36 places of a transformed tile. Layouts: filters U [36, C, K], transformed inputs
/// V [36, T, C], products M [36, T, K]; images and weights as in `Convolution`. Forward, a block of tiles is
/// transformed, multiplied and transformed back while it is in cache. Backward, one transform of the output's gradient
/// serves the gradients of inputs and weights.
struct WinogradConvolution {
  let shape: ConvolutionShape
  let tileRows: Int
  let tileColumns: Int

  static let places = 36
  static let tileSide = 4

  /// nil if the shape is not one for this algorithm: another kernel, channels that do not fill vectors, or so few
  /// tiles that the products are thinner than the transforms are worth.
  init?(_ shape: ConvolutionShape) {
    guard shape.kernel == 3, shape.stride == 1, shape.padding == 1,
      (shape.inputChannels + [shape.outputChannels]).allSatisfy({ $0 % 4 == 0 && $0 >= 8 })
    else { return nil }
    self.shape = shape
    tileRows = (shape.height + Self.tileSide - 1) / Self.tileSide
    tileColumns = (shape.width + Self.tileSide - 1) / Self.tileSide
    guard tiles >= 32 else { return nil }
  }

  var tilesPerImage: Int { tileRows * tileColumns }
  var tiles: Int { shape.batch * tilesPerImage }

  /// Tiles whose transforms, of inputs and of outputs, fill about 0.75 MB: what the second-level cache holds beside
  /// the filters.
  private var tilesPerBlock: Int {
    min(max(196_608 / (Self.places * (shape.channels + shape.outputChannels)), 32), 128)
  }

  // MARK: The three passes

  func forward(
    inputs: [UnsafePointer<Float>], weights: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
    output: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let (c, k) = (shape.channels, shape.outputChannels)
    let u = pool.workspace(Self.places * c * k)
    transformFilters(weights, into: u, pool: pool)
    pool.parallelPieces(tiles, of: tilesPerBlock) { block, worker in
      let n = block.count
      let v = pool.scratch(Self.places * n * (c + k) + Tile.scratchCount(c), worker: worker)
      let m = v + Self.places * n * c
      let tile = Tile(scratch: m + Self.places * n * k, channels: c)
      for (index, place) in block.enumerated() {
        transformInput(place, inputs, into: v + index * c, placeStride: n * c, tile)
      }
      for xi in 0..<Self.places {
        MatrixProduct.compute(
          Matrix(v + xi * n * c, rows: n, columns: c), Matrix(u + xi * c * k, rows: c, columns: k),
          into: m + xi * n * k)
      }
      for (index, place) in block.enumerated() {
        transformOutput(place, m + index * k, placeStride: n * k, bias, into: output, tile)
      }
    }
  }

  /// Writes the inputs' gradients (those that are not nil), and adds the weights' gradient if it is wanted.
  func backward(
    inputs: [UnsafePointer<Float>], weights: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    inputGradients: [UnsafeMutablePointer<Float>?], weightGradient: UnsafeMutablePointer<Float>?,
    pool: ThreadPool
  ) {
    let (c, k, t) = (shape.channels, shape.outputChannels, tiles)
    let wantsInputs = inputGradients.contains { $0 != nil }
    let products = pool.workspace(Self.places * (t * (c + k) + c * k))
    let transformed = products + Self.places * t * k
    let filters = transformed + Self.places * t * c

    pool.parallelPieces(t, of: tilesPerBlock) { block, worker in
      let tile = Tile(scratch: pool.scratch(Tile.scratchCount(c), worker: worker), channels: c)
      for place in block {
        transformOutputGradient(place, outputGradient, into: products + place * k, placeStride: t * k, tile)
        if weightGradient != nil {
          transformInput(place, inputs, into: transformed + place * c, placeStride: t * c, tile)
        }
      }
    }
    if let weightGradient {
      pool.parallel(Self.places) { xi, _ in
        MatrixProduct.compute(
          Matrix(transformed + xi * t * c, rows: t, columns: c).transposed,
          Matrix(products + xi * t * k, rows: t, columns: k), into: filters + xi * c * k)
      }
      addFilterGradient(filters, to: weightGradient, pool: pool)
    }
    guard wantsInputs else { return }
    transformFilters(weights, into: filters, pool: pool)
    let blocks = (t + 255) / 256
    pool.parallel(Self.places * blocks) { task, _ in
      let xi = task / blocks
      let rows = task % blocks * 256..<min((task % blocks + 1) * 256, t)
      MatrixProduct.compute(
        Matrix(products + (xi * t + rows.lowerBound) * k, rows: rows.count, columns: k),
        Matrix(filters + xi * c * k, rows: c, columns: k).transposed,
        into: transformed + (xi * t + rows.lowerBound) * c)
    }
    addInputGradients(transformed, to: inputGradients, pool: pool)
  }
}
