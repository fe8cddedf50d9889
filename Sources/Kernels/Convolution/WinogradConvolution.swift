/// 3x3 convolution of stride 1 and padding 1 by Winograd's F(4x4, 3x3): a tile of 4x4 outputs takes 36 products for
/// each pair of channels, where the direct way takes 144.
///
/// T tiles in all; xi is one of the 36 places of a transformed tile. Layouts: filters U [36, C, K], transformed inputs
/// V [36, T, C], products M [36, T, K]; images and weights as in `Convolution`. Forward, a block of tiles is
/// transformed, multiplied and transformed back while it is in cache. Backward, one transform of the output's gradient
/// serves the gradients of inputs and weights.
struct WinogradConvolution {
  private let shape: ConvolutionShape
  private let tileRows: Int
  private let tileColumns: Int

  private static let places = 36
  private static let tileSide = 4

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

  private var tilesPerImage: Int { tileRows * tileColumns }
  private var tiles: Int { shape.batch * tilesPerImage }

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

  // MARK: Transforms

  /// One worker's memory for a tile: 36 vectors between the two dimensions, and a pixel of zeros.
  private struct Tile {
    let between: UnsafeMutablePointer<Float>
    let zeros: UnsafeMutablePointer<Float>

    static func scratchCount(_ channels: Int) -> Int { places * Vector.width + channels }

    init(scratch: UnsafeMutablePointer<Float>, channels: Int) {
      between = scratch
      zeros = scratch + places * Vector.width
      zeros.update(repeating: 0, count: channels)
    }
  }

  /// Calls `body` for each vector of `0..<channels`, a multiple of 4, with the vector's type and first channel.
  private struct ChannelVectors {
    let channels: Int
    var wide: Range<Int> { 0..<channels / 16 }
    var eight: Int? { channels % 16 >= 8 ? channels / 16 * 16 : nil }
    var four: Int? { channels % 8 >= 4 ? channels / 8 * 8 : nil }
  }

  private func origin(_ tile: Int) -> (image: Int, y: Int, x: Int) {
    let inImage = tile % tilesPerImage
    return (
      tile / tilesPerImage, inImage / tileColumns * Self.tileSide, inImage % tileColumns * Self.tileSide
    )
  }

  /// V = Bᵀ d B of the 6x6 pixels around `tile`, for all inputs' channels.
  private func transformInput(
    _ tile: Int, _ inputs: [UnsafePointer<Float>], into v: UnsafeMutablePointer<Float>, placeStride: Int,
    _ memory: Tile
  ) {
    let (image, top, left) = origin(tile)
    withUnsafeTemporaryAllocation(of: UnsafePointer<Float>.self, capacity: Self.places) { pixels in
      var channel = 0
      for (input, channels) in zip(inputs, shape.inputChannels) {
        for y in 0..<6 {
          for x in 0..<6 {
            let (row, column) = (top + y - 1, left + x - 1)
            let isInside = row >= 0 && row < shape.height && column >= 0 && column < shape.width
            let place = ((image * shape.height + row) * shape.width + column) * channels
            pixels[y * 6 + x] = isInside ? input + place : UnsafePointer(memory.zeros)
          }
        }
        let vectors = ChannelVectors(channels: channels)
        let target = v + channel
        for index in vectors.wide {
          Self.inputTile(SIMD16<Float>.self, index &* 16, pixels, target, placeStride, memory.between)
        }
        if let first = vectors.eight {
          Self.inputTile(SIMD8<Float>.self, first, pixels, target, placeStride, memory.between)
        }
        if let first = vectors.four {
          Self.inputTile(SIMD4<Float>.self, first, pixels, target, placeStride, memory.between)
        }
        channel += channels
      }
    }
  }

  @inline(__always)
  private static func inputTile<V: SIMD>(
    _: V.Type, _ channel: Int, _ pixels: UnsafeMutableBufferPointer<UnsafePointer<Float>>,
    _ target: UnsafeMutablePointer<Float>, _ placeStride: Int, _ between: UnsafeMutablePointer<Float>
  ) where V.Scalar == Float {
    let width = V.scalarCount
    for x in 0..<6 {
      let column: WinogradTransforms.Six<V> = WinogradTransforms.input(
        (
          pixels[x].vector(channel), pixels[6 &+ x].vector(channel), pixels[12 &+ x].vector(channel),
          pixels[18 &+ x].vector(channel), pixels[24 &+ x].vector(channel), pixels[30 &+ x].vector(channel)
        ))
      store6(column, to: between, x &* width, 6 &* width)
    }
    for y in 0..<6 {
      let row: WinogradTransforms.Six<V> = WinogradTransforms.input(load6(between, y &* 6 &* width, width))
      store6(row, to: target, y &* 6 &* placeStride &+ channel, placeStride)
    }
  }

  /// Y = Aᵀ M A + bias, as far as the tile lies in the image.
  private func transformOutput(
    _ tile: Int, _ m: UnsafeMutablePointer<Float>, placeStride: Int, _ bias: UnsafePointer<Float>?,
    into output: UnsafeMutablePointer<Float>, _ memory: Tile
  ) {
    let (image, top, left) = origin(tile)
    let k = shape.outputChannels
    let first = output + ((image * shape.height + top) * shape.width + left) * k
    let rows = min(Self.tileSide, shape.height - top)
    let columns = min(Self.tileSide, shape.width - left)
    let vectors = ChannelVectors(channels: k)
    for index in vectors.wide {
      outputTile(SIMD16<Float>.self, index &* 16, m, placeStride, bias, first, rows, columns, memory.between)
    }
    if let channel = vectors.eight {
      outputTile(SIMD8<Float>.self, channel, m, placeStride, bias, first, rows, columns, memory.between)
    }
    if let channel = vectors.four {
      outputTile(SIMD4<Float>.self, channel, m, placeStride, bias, first, rows, columns, memory.between)
    }
  }

  @inline(__always)
  private func outputTile<V: SIMD>(
    _: V.Type, _ channel: Int, _ m: UnsafeMutablePointer<Float>, _ placeStride: Int,
    _ bias: UnsafePointer<Float>?,
    _ output: UnsafeMutablePointer<Float>, _ rows: Int, _ columns: Int, _ between: UnsafeMutablePointer<Float>
  ) where V.Scalar == Float {
    let width = V.scalarCount
    let k = shape.outputChannels
    for x in 0..<6 {
      let column: WinogradTransforms.Four<V> = WinogradTransforms.output(
        Self.load6(m, x &* placeStride &+ channel, 6 &* placeStride))
      between.store(column.0, x &* width)
      between.store(column.1, (6 &+ x) &* width)
      between.store(column.2, (12 &+ x) &* width)
      between.store(column.3, (18 &+ x) &* width)
    }
    let shift: V = bias?.vector(channel) ?? V.zero
    for y in 0..<rows {
      let row: WinogradTransforms.Four<V> = WinogradTransforms.output(
        Self.load6(between, y &* 6 &* width, width))
      let place = y &* shape.width &* k &+ channel
      output.store(row.0 + shift, place)
      if columns > 1 { output.store(row.1 + shift, place &+ k) }
      if columns > 2 { output.store(row.2 + shift, place &+ 2 &* k) }
      if columns > 3 { output.store(row.3 + shift, place &+ 3 &* k) }
    }
  }

  /// dM = A dY Aᵀ; what lies outside of the image has no gradient.
  private func transformOutputGradient(
    _ tile: Int, _ gradient: UnsafePointer<Float>, into m: UnsafeMutablePointer<Float>, placeStride: Int,
    _ memory: Tile
  ) {
    let (image, top, left) = origin(tile)
    let k = shape.outputChannels
    let first = gradient + ((image * shape.height + top) * shape.width + left) * k
    let rows = min(Self.tileSide, shape.height - top)
    let columns = min(Self.tileSide, shape.width - left)
    let vectors = ChannelVectors(channels: k)
    for index in vectors.wide {
      outputGradientTile(
        SIMD16<Float>.self, index &* 16, first, rows, columns, m, placeStride, memory.between)
    }
    if let channel = vectors.eight {
      outputGradientTile(SIMD8<Float>.self, channel, first, rows, columns, m, placeStride, memory.between)
    }
    if let channel = vectors.four {
      outputGradientTile(SIMD4<Float>.self, channel, first, rows, columns, m, placeStride, memory.between)
    }
  }

  @inline(__always)
  private func outputGradientTile<V: SIMD>(
    _: V.Type, _ channel: Int, _ gradient: UnsafePointer<Float>, _ rows: Int, _ columns: Int,
    _ m: UnsafeMutablePointer<Float>, _ placeStride: Int, _ between: UnsafeMutablePointer<Float>
  ) where V.Scalar == Float {
    let width = V.scalarCount
    let k = shape.outputChannels
    func pixel(_ y: Int, _ x: Int) -> V {
      y < rows && x < columns ? gradient.vector((y &* shape.width &+ x) &* k &+ channel) : V.zero
    }
    for x in 0..<4 {
      let column = WinogradTransforms.outputAdjoint((pixel(0, x), pixel(1, x), pixel(2, x), pixel(3, x)))
      Self.store6(column, to: between, x &* width, 4 &* width)
    }
    for y in 0..<6 {
      let start = y &* 4 &* width
      let row: WinogradTransforms.Six<V> = WinogradTransforms.outputAdjoint(
        (
          between.vector(start), between.vector(start &+ width), between.vector(start &+ 2 &* width),
          between.vector(start &+ 3 &* width)
        ))
      Self.store6(row, to: m, y &* 6 &* placeStride &+ channel, placeStride)
    }
  }

  /// Adds B dV Bᵀ of all tiles to the pixels under them. Tiles overlap, so a task takes a whole image, and a part of
  /// the channels.
  private func addInputGradients(
    _ v: UnsafeMutablePointer<Float>, to gradients: [UnsafeMutablePointer<Float>?], pool: ThreadPool
  ) {
    var channel = 0
    for (gradient, channels) in zip(gradients, shape.inputChannels) {
      let source = v + channel
      channel += channels
      guard let gradient else { continue }
      let channelsPerTask = 64
      let parts = (channels + channelsPerTask - 1) / channelsPerTask
      pool.parallel(shape.batch * parts) { task, worker in
        let image = task / parts
        let first = task % parts * channelsPerTask
        let between = pool.scratch(Self.places * Vector.width, worker: worker)
        let vectors = ChannelVectors(channels: min(channelsPerTask, channels - first))
        let target = gradient + image * shape.height * shape.width * channels
        for index in vectors.wide {
          addInputGradient(SIMD16<Float>.self, first &+ index &* 16, image, source, target, channels, between)
        }
        if let part = vectors.eight {
          addInputGradient(SIMD8<Float>.self, first + part, image, source, target, channels, between)
        }
        if let part = vectors.four {
          addInputGradient(SIMD4<Float>.self, first + part, image, source, target, channels, between)
        }
      }
    }
  }

  @inline(__always)
  private func addInputGradient<V: SIMD>(
    _: V.Type, _ channel: Int, _ image: Int, _ v: UnsafeMutablePointer<Float>,
    _ gradient: UnsafeMutablePointer<Float>,
    _ channels: Int, _ between: UnsafeMutablePointer<Float>
  ) where V.Scalar == Float {
    let width = V.scalarCount
    let c = shape.channels
    let placeStride = tiles * c
    for pixel in 0..<shape.height * shape.width { gradient.store(V.zero, pixel &* channels &+ channel) }
    for tile in image * tilesPerImage..<(image + 1) * tilesPerImage {
      let (_, top, left) = origin(tile)
      let source = v + (tile &* c &+ channel)
      for x in 0..<6 {
        let column: WinogradTransforms.Six<V> = WinogradTransforms.inputAdjoint(
          Self.load6(source, x &* placeStride, 6 &* placeStride))
        Self.store6(column, to: between, x &* width, 6 &* width)
      }
      for y in 0..<6 {
        let row = top &+ y &- 1
        guard row >= 0 && row < shape.height else { continue }
        let values: WinogradTransforms.Six<V> = WinogradTransforms.inputAdjoint(
          Self.load6(between, y &* 6 &* width, width))
        @inline(__always) func add(_ value: V, _ x: Int) {
          let column = left &+ x &- 1
          guard column >= 0 && column < shape.width else { return }
          let place = (row &* shape.width &+ column) &* channels &+ channel
          gradient.store(gradient.vector(place, as: V.self) + value, place)
        }
        add(values.0, 0)
        add(values.1, 1)
        add(values.2, 2)
        add(values.3, 3)
        add(values.4, 4)
        add(values.5, 5)
      }
    }
  }

  /// U = G g Gᵀ for weights [9, C, K].
  private func transformFilters(
    _ weights: UnsafePointer<Float>, into u: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    forEachFilterVector(pool) { index, between in filterVector(index, weights, u, between) }
  }

  /// dg = Gᵀ dU G, added to the weights' gradient [9, C, K].
  private func addFilterGradient(
    _ u: UnsafePointer<Float>, to gradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    forEachFilterVector(pool) { index, between in filterGradientVector(index, u, gradient, between) }
  }

  /// Calls `body` for each sixteen of the C K pairs of channels, of which each has a filter.
  private func forEachFilterVector(
    _ pool: ThreadPool, _ body: (_ index: Int, _ between: UnsafeMutablePointer<Float>) -> Void
  ) {
    // C and K are multiples of 4, so nothing is left over.
    let vectors = shape.channels * shape.outputChannels / Vector.width
    pool.parallelPieces(vectors, of: 64) { range, worker in
      let between = pool.scratch(Self.places * Vector.width, worker: worker)
      for index in range { body(index &* Vector.width, between) }
    }
  }

  private func filterVector(
    _ index: Int, _ weights: UnsafePointer<Float>, _ u: UnsafeMutablePointer<Float>,
    _ between: UnsafeMutablePointer<Float>
  ) {
    let (width, stride) = (Vector.width, shape.channels * shape.outputChannels)
    for x in 0..<3 {
      let column: WinogradTransforms.Six<Vector> = WinogradTransforms.filter(
        (
          weights.vector(x &* stride &+ index), weights.vector((3 &+ x) &* stride &+ index),
          weights.vector((6 &+ x) &* stride &+ index)
        ))
      Self.store6(column, to: between, x &* width, 3 &* width)
    }
    for y in 0..<6 {
      let start = y &* 3 &* width
      let row: WinogradTransforms.Six<Vector> = WinogradTransforms.filter(
        (between.vector(start), between.vector(start &+ width), between.vector(start &+ 2 &* width)))
      Self.store6(row, to: u, y &* 6 &* stride &+ index, stride)
    }
  }

  private func filterGradientVector(
    _ index: Int, _ u: UnsafePointer<Float>, _ gradient: UnsafeMutablePointer<Float>,
    _ between: UnsafeMutablePointer<Float>
  ) {
    let (width, stride) = (Vector.width, shape.channels * shape.outputChannels)
    for x in 0..<6 {
      let column: WinogradTransforms.Three<Vector> = WinogradTransforms.filterAdjoint(
        (
          u.vector(x &* stride &+ index), u.vector((6 &+ x) &* stride &+ index),
          u.vector((12 &+ x) &* stride &+ index), u.vector((18 &+ x) &* stride &+ index),
          u.vector((24 &+ x) &* stride &+ index), u.vector((30 &+ x) &* stride &+ index)
        ))
      between.store(column.0, x &* width)
      between.store(column.1, (6 &+ x) &* width)
      between.store(column.2, (12 &+ x) &* width)
    }
    for y in 0..<3 {
      let row: WinogradTransforms.Three<Vector> = WinogradTransforms.filterAdjoint(
        Self.load6(between, y &* 6 &* width, width))
      @inline(__always) func add(_ value: Vector, _ x: Int) {
        let place = (y &* 3 &+ x) &* stride &+ index
        gradient.store(gradient.vector(place, as: Vector.self) + value, place)
      }
      add(row.0, 0)
      add(row.1, 1)
      add(row.2, 2)
    }
  }

  @inline(__always)
  private static func load6<V: SIMD>(
    _ memory: UnsafeMutablePointer<Float>, _ first: Int, _ stride: Int
  ) -> WinogradTransforms.Six<V> where V.Scalar == Float {
    (
      memory.vector(first), memory.vector(first &+ stride), memory.vector(first &+ 2 &* stride),
      memory.vector(first &+ 3 &* stride), memory.vector(first &+ 4 &* stride),
      memory.vector(first &+ 5 &* stride)
    )
  }

  @inline(__always)
  private static func store6<V: SIMD>(
    _ values: WinogradTransforms.Six<V>, to memory: UnsafeMutablePointer<Float>, _ first: Int, _ stride: Int
  ) where V.Scalar == Float {
    memory.store(values.0, first)
    memory.store(values.1, first &+ stride)
    memory.store(values.2, first &+ 2 &* stride)
    memory.store(values.3, first &+ 3 &* stride)
    memory.store(values.4, first &+ 4 &* stride)
    memory.store(values.5, first &+ 5 &* stride)
  }
}
