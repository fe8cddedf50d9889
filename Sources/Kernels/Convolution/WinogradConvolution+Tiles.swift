// The transforms of tiles of images, into and out of the 36 places.

extension WinogradConvolution {
  /// One worker's memory for a tile: 36 vectors between the two dimensions, and a pixel of zeros.
  struct Tile {
    let between: UnsafeMutablePointer<Float>
    let zeros: UnsafeMutablePointer<Float>

    static func scratchCount(_ channels: Int) -> Int { places * Vector.width + channels }

    init(scratch: UnsafeMutablePointer<Float>, channels: Int) {
      between = scratch
      zeros = scratch + places * Vector.width
      zeros.update(repeating: 0, count: channels)
    }
  }

  /// How `channels`, a multiple of 4, are cut into vectors: sixteens, then an eight, then a four.
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
  func transformInput(
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
      WinogradTransforms.store6(column, to: between, x &* width, 6 &* width)
    }
    for y in 0..<6 {
      let row: WinogradTransforms.Six<V> = WinogradTransforms.input(
        WinogradTransforms.load6(between, y &* 6 &* width, width))
      WinogradTransforms.store6(row, to: target, y &* 6 &* placeStride &+ channel, placeStride)
    }
  }

  /// Y = Aᵀ M A + bias, as far as the tile lies in the image.
  func transformOutput(
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
        WinogradTransforms.load6(m, x &* placeStride &+ channel, 6 &* placeStride))
      between.store(column.0, x &* width)
      between.store(column.1, (6 &+ x) &* width)
      between.store(column.2, (12 &+ x) &* width)
      between.store(column.3, (18 &+ x) &* width)
    }
    let shift: V = bias?.vector(channel) ?? V.zero
    for y in 0..<rows {
      let row: WinogradTransforms.Four<V> = WinogradTransforms.output(
        WinogradTransforms.load6(between, y &* 6 &* width, width))
      let place = y &* shape.width &* k &+ channel
      output.store(row.0 + shift, place)
      if columns > 1 { output.store(row.1 + shift, place &+ k) }
      if columns > 2 { output.store(row.2 + shift, place &+ 2 &* k) }
      if columns > 3 { output.store(row.3 + shift, place &+ 3 &* k) }
    }
  }

  /// dM = A dY Aᵀ; what lies outside of the image has no gradient.
  func transformOutputGradient(
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
      WinogradTransforms.store6(column, to: between, x &* width, 4 &* width)
    }
    for y in 0..<6 {
      let start = y &* 4 &* width
      let row: WinogradTransforms.Six<V> = WinogradTransforms.outputAdjoint(
        (
          between.vector(start), between.vector(start &+ width), between.vector(start &+ 2 &* width),
          between.vector(start &+ 3 &* width)
        ))
      WinogradTransforms.store6(row, to: m, y &* 6 &* placeStride &+ channel, placeStride)
    }
  }

  /// Adds B dV Bᵀ of all tiles to the pixels under them. Tiles overlap, so a task takes a whole image, and a part of
  /// the channels.
  func addInputGradients(
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
          WinogradTransforms.load6(source, x &* placeStride, 6 &* placeStride))
        WinogradTransforms.store6(column, to: between, x &* width, 6 &* width)
      }
      for y in 0..<6 {
        let row = top &+ y &- 1
        guard row >= 0 && row < shape.height else { continue }
        let values: WinogradTransforms.Six<V> = WinogradTransforms.inputAdjoint(
          WinogradTransforms.load6(between, y &* 6 &* width, width))
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
}
