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
  ///
  /// Transformed images take up to nine times the memory of images, so it is done for some images at a time.
  func backward(
    inputs: [UnsafePointer<Float>], weights: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
    inputGradients: [UnsafeMutablePointer<Float>?], weightGradient: UnsafeMutablePointer<Float>?,
    pool: ThreadPool
  ) {
    let (c, k) = (shape.channels, shape.outputChannels)
    let imagesPerPart = min(max(Self.tilesPerPart / tilesPerImage, 1), shape.batch)
    let partTiles = imagesPerPart * tilesPerImage
    let memory = Products(
      memory: pool.workspace(Self.places * (partTiles * (c + k) + 2 * c * k)), tiles: partTiles, channels: c,
      outputChannels: k)
    let wantsInputs = inputGradients.contains { $0 != nil }
    if wantsInputs { transformFilters(weights, into: memory.filters, pool: pool) }
    for first in stride(from: 0, to: shape.batch, by: imagesPerPart) {
      let pixels = first * shape.height * shape.width
      let inputs = zip(inputs, shape.inputChannels).map { $0 + pixels * $1 }
      let part = WinogradConvolution(self, batch: min(imagesPerPart, shape.batch - first))
      part.transformGradients(
        inputs: weightGradient == nil ? nil : inputs, outputGradient: outputGradient + pixels * k, memory,
        pool)
      if weightGradient != nil { part.multiplyForFilters(memory, isFirst: first == 0, pool) }
      if wantsInputs {
        part.multiplyForInputs(memory, pool)
        let gradients = zip(inputGradients, shape.inputChannels).map { gradient, channels in
          gradient.map { $0 + pixels * channels }
        }
        part.addInputGradients(memory.transformed, to: gradients, pool: pool)
      }
    }
    if let weightGradient { addFilterGradient(memory.filterGradients, to: weightGradient, pool: pool) }
  }

  // MARK: Parts of the backward pass

  /// About how many tiles the backward pass transforms at a time.
  private static let tilesPerPart = 1024

  /// The backward pass's memory for T tiles.
  private struct Products {
    /// dM, [36, T, K].
    let outputs: UnsafeMutablePointer<Float>
    /// V, then dV, [36, T, C].
    let transformed: UnsafeMutablePointer<Float>
    /// U and dU, [36, C, K].
    let filters: UnsafeMutablePointer<Float>
    let filterGradients: UnsafeMutablePointer<Float>

    init(memory: UnsafeMutablePointer<Float>, tiles: Int, channels: Int, outputChannels: Int) {
      outputs = memory
      transformed = outputs + places * tiles * outputChannels
      filters = transformed + places * tiles * channels
      filterGradients = filters + places * channels * outputChannels
    }
  }

  /// The same convolution of another number of images.
  private init(_ whole: WinogradConvolution, batch: Int) {
    let of = whole.shape
    shape = ConvolutionShape(
      batch: batch, height: of.height, width: of.width, inputChannels: of.inputChannels,
      outputChannels: of.outputChannels, kernel: of.kernel, stride: of.stride, padding: of.padding)
    tileRows = whole.tileRows
    tileColumns = whole.tileColumns
  }

  /// dM of all tiles, and V of the inputs if they are given.
  private func transformGradients(
    inputs: [UnsafePointer<Float>]?, outputGradient: UnsafePointer<Float>, _ memory: Products,
    _ pool: ThreadPool
  ) {
    let (c, k, t) = (shape.channels, shape.outputChannels, tiles)
    pool.parallelPieces(t, of: tilesPerBlock) { block, worker in
      let tile = Tile(scratch: pool.scratch(Tile.scratchCount(c), worker: worker), channels: c)
      for place in block {
        transformOutputGradient(
          place, outputGradient, into: memory.outputs + place * k, placeStride: t * k, tile)
        if let inputs {
          transformInput(place, inputs, into: memory.transformed + place * c, placeStride: t * c, tile)
        }
      }
    }
  }

  /// dU = Vᵀ dM, or adds it to what is there.
  private func multiplyForFilters(_ memory: Products, isFirst: Bool, _ pool: ThreadPool) {
    let (c, k, t) = (shape.channels, shape.outputChannels, tiles)
    pool.parallel(Self.places) { xi, _ in
      MatrixProduct.compute(
        Matrix(memory.transformed + xi * t * c, rows: t, columns: c).transposed,
        Matrix(memory.outputs + xi * t * k, rows: t, columns: k), into: memory.filterGradients + xi * c * k,
        accumulating: !isFirst)
    }
  }

  /// dV = dM Uᵀ, in the place of V.
  private func multiplyForInputs(_ memory: Products, _ pool: ThreadPool) {
    let (c, k, t) = (shape.channels, shape.outputChannels, tiles)
    let rowsPerTask = 256
    let blocks = (t + rowsPerTask - 1) / rowsPerTask
    pool.parallel(Self.places * blocks) { task, _ in
      let xi = task / blocks
      let first = task % blocks * rowsPerTask
      MatrixProduct.compute(
        Matrix(memory.outputs + (xi * t + first) * k, rows: min(rowsPerTask, t - first), columns: k),
        Matrix(memory.filters + xi * c * k, rows: c, columns: k).transposed,
        into: memory.transformed + (xi * t + first) * c)
    }
  }
}
