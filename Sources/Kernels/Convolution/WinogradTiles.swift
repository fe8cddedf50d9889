import CProcessor

/// The tiles of some images' pixels, and the transforms of tiles into and out of the 36 places.
///
/// A transformed tile has its channels one after the other at each place; places are `placeStride` floats apart.
struct WinogradTiles {
  static let places = 36
  /// Pixels of an output tile's side.
  static let side = 4

  let batch: Int
  let height: Int
  let width: Int
  let rows: Int
  let columns: Int

  init(batch: Int, height: Int, width: Int) {
    self.batch = batch
    self.height = height
    self.width = width
    rows = (height + Self.side - 1) / Self.side
    columns = (width + Self.side - 1) / Self.side
  }

  var count: Int { batch * rows * columns }

  /// Floats between two places of `count`: at least that, and an odd number of cache lines. Were it a power of two, all
  /// places would share a few lines of the first-level cache.
  static func placeStride(_ count: Int) -> Int { ((count + 15) / 16 | 1) * 16 }

  /// One worker's memory for a tile.
  struct Memory {
    /// 36 vectors between the two dimensions.
    let between: UnsafeMutablePointer<Float>
    /// The pixels of a tile, row by row.
    let pixels: UnsafeMutablePointer<UnsafePointer<Float>>
    /// A pixel of zeros.
    let zeros: UnsafePointer<Float>

    static func count(channels: Int) -> Int { places * Vector.width + 2 * places + channels + 24 }

    init(_ memory: UnsafeMutablePointer<Float>, channels: Int) {
      between = memory
      let pointers = between + places * Vector.width
      pixels = UnsafeMutableRawPointer(pointers)
        .bindMemory(to: UnsafePointer<Float>.self, capacity: places)
      let zeros = pointers + 2 * places
      zeros.update(repeating: 0, count: channels)
      self.zeros = UnsafePointer(zeros)
    }
  }

  /// Where the vectors start that cover `channels`, at least 16: the last may overlap the one before it.
  @inline(__always)
  private static func forEachVector(_ channels: Int, _ body: (_ channel: Int) -> Void) {
    var channel = 0
    while channel &+ Vector.width <= channels {
      body(channel)
      channel &+= Vector.width
    }
    if channel < channels { body(channels &- Vector.width) }
  }

  private func origin(_ tile: Int) -> (image: Int, top: Int, left: Int) {
    let (image, inImage) = tile.quotientAndRemainder(dividingBy: rows * columns)
    let (row, column) = inImage.quotientAndRemainder(dividingBy: columns)
    return (image, row * Self.side, column * Self.side)
  }

  /// Lists the `side` x `side` pixels from (top, left) on; those outside of the image are zeros.
  @inline(__always)
  private func listPixels(
    of image: UnsafePointer<Float>, _ channels: Int, _ top: Int, _ left: Int, side: Int, _ memory: Memory
  ) {
    for y in 0..<side {
      let line = memory.pixels + y &* side
      let row = top &+ y
      let first = image + (row &* width &+ left) &* channels
      if row < 0 || row >= height {
        for x in 0..<side { line[x] = memory.zeros }
      } else if left >= 0 && left &+ side <= width {
        for x in 0..<side { line[x] = first + x &* channels }
      } else {
        for x in 0..<side {
          line[x] = left &+ x >= 0 && left &+ x < width ? first + x &* channels : memory.zeros
        }
      }
    }
  }

  /// Fetches the pixels in `lines` lines of four from `first` on. Tiles follow each other in jumps between lines, which
  /// the processor does not foresee.
  @inline(__always)
  private func prefetch(_ first: UnsafePointer<Float>, lines: Int, channels: Int) {
    for y in 0..<lines {
      let line = first + y &* width &* channels
      var place = 0
      while place < Self.side &* channels {
        oboro_prefetch(line + place)
        place &+= Vector.width
      }
    }
  }

  /// V = Bᵀ d B of the 6x6 pixels d around `tile`.
  func transformInput(
    _ tile: Int, _ images: UnsafePointer<Float>, channels: Int, into v: UnsafeMutablePointer<Float>,
    placeStride: Int, _ memory: Memory
  ) {
    let (image, top, left) = origin(tile)
    let pixelsOfImage = images + image &* height &* width &* channels
    listPixels(of: pixelsOfImage, channels, top &- 1, left &- 1, side: 6, memory)
    let (pixels, between) = (memory.pixels, memory.between)
    // The next tile begins with two columns of this one.
    prefetch(
      pixelsOfImage + ((top &- 1) &* width &+ left &+ 5) &* channels, lines: 6, channels: channels)
    Self.forEachVector(channels) { channel in
      for x in 0..<6 {
        WinogradTransforms.store6(
          WinogradTransforms.input(
            (
              Vector(from: pixels[x] + channel), Vector(from: pixels[6 &+ x] + channel),
              Vector(from: pixels[12 &+ x] + channel), Vector(from: pixels[18 &+ x] + channel),
              Vector(from: pixels[24 &+ x] + channel), Vector(from: pixels[30 &+ x] + channel)
            )), to: between + x &* Vector.width, 6 &* Vector.width)
      }
      for y in 0..<6 {
        WinogradTransforms.store6(
          WinogradTransforms.input(
            WinogradTransforms.load6(between + y &* 6 &* Vector.width, Vector.width)),
          to: v + (y &* 6 &* placeStride &+ channel), placeStride)
      }
    }
  }

  /// Y = Aᵀ M A + bias, as far as the tile lies in the image.
  ///
  /// - Parameter channels: those to write; a pixel has `pixelStride`.
  func transformOutput(
    _ tile: Int, _ m: UnsafePointer<Float>, placeStride: Int, bias: UnsafePointer<Float>?, channels: Int,
    into images: UnsafeMutablePointer<Float>, pixelStride: Int, _ memory: Memory
  ) {
    let (image, top, left) = origin(tile)
    let first = images + ((image &* height &+ top) &* width &+ left) &* pixelStride
    let rows = min(Self.side, height &- top)
    let columns = min(Self.side, width &- left)
    let between = memory.between
    if channels == pixelStride {
      prefetch(first + Self.side &* pixelStride, lines: Self.side, channels: channels)
    }
    Self.forEachVector(channels) { channel in
      for x in 0..<6 {
        let column = WinogradTransforms.output(
          WinogradTransforms.load6(m + (x &* placeStride &+ channel), 6 &* placeStride))
        let place = between + x &* Vector.width
        column.0.store(to: place)
        column.1.store(to: place + 6 &* Vector.width)
        column.2.store(to: place + 12 &* Vector.width)
        column.3.store(to: place + 18 &* Vector.width)
      }
      let shift = bias.map { Vector(from: $0 + channel) } ?? Vector(repeating: 0)
      for y in 0..<rows {
        let row = WinogradTransforms.output(
          WinogradTransforms.load6(between + y &* 6 &* Vector.width, Vector.width))
        let place = first + (y &* width &* pixelStride &+ channel)
        (row.0 + shift).store(to: place)
        if columns > 1 { (row.1 + shift).store(to: place + pixelStride) }
        if columns > 2 { (row.2 + shift).store(to: place + 2 &* pixelStride) }
        if columns > 3 { (row.3 + shift).store(to: place + 3 &* pixelStride) }
      }
    }
  }

  /// dM = A dY Aᵀ; what lies outside of the image has no gradient.
  func transformOutputGradient(
    _ tile: Int, _ images: UnsafePointer<Float>, channels: Int, into m: UnsafeMutablePointer<Float>,
    placeStride: Int, _ memory: Memory
  ) {
    let (image, top, left) = origin(tile)
    let pixelsOfImage = images + image &* height &* width &* channels
    listPixels(of: pixelsOfImage, channels, top, left, side: 4, memory)
    let (pixels, between) = (memory.pixels, memory.between)
    prefetch(
      pixelsOfImage + (top &* width &+ left &+ Self.side) &* channels, lines: Self.side, channels: channels)
    Self.forEachVector(channels) { channel in
      for x in 0..<4 {
        WinogradTransforms.store6(
          WinogradTransforms.outputAdjoint(
            (
              Vector(from: pixels[x] + channel), Vector(from: pixels[4 &+ x] + channel),
              Vector(from: pixels[8 &+ x] + channel), Vector(from: pixels[12 &+ x] + channel)
            )), to: between + x &* Vector.width, 4 &* Vector.width)
      }
      for y in 0..<6 {
        let line = between + y &* 4 &* Vector.width
        WinogradTransforms.store6(
          WinogradTransforms.outputAdjoint(
            (
              Vector(from: line), Vector(from: line + Vector.width), Vector(from: line + 2 &* Vector.width),
              Vector(from: line + 3 &* Vector.width)
            )), to: m + (y &* 6 &* placeStride &+ channel), placeStride)
      }
    }
  }
}
