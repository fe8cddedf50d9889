import CProcessor

/// The tiles of some images' pixels, and the transforms of tiles into and out of the scheme's places.
///
/// A transformed tile has its channels one after the other at each place; places are `placeStride` floats apart.
struct WinogradTiles<Scheme: WinogradScheme> {
  /// Pixels of an output tile's side.
  @inline(__always) static var side: Int { 4 }
  /// Pixels of an input tile's side.
  @inline(__always) private static var patch: Int { Scheme.points }

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

  /// One worker's memory for a tile.
  struct Memory {
    /// A vector for each place, between the two dimensions.
    let between: UnsafeMutablePointer<Float>
    /// The pixels of a tile, row by row.
    let pixels: UnsafeMutablePointer<UnsafePointer<Float>>
    /// A pixel of zeros.
    let zeros: UnsafePointer<Float>

    static func count(channels: Int) -> Int {
      Scheme.places * (Vector.width + 2) + channels + 24
    }

    init(_ memory: UnsafeMutablePointer<Float>, channels: Int) {
      between = memory
      let pointers = between + Scheme.places * Vector.width
      pixels = UnsafeMutableRawPointer(pointers)
        .bindMemory(to: UnsafePointer<Float>.self, capacity: Scheme.places)
      let zeros = pointers + 2 * Scheme.places
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

  /// The pixels of one of the images.
  @inline(__always)
  private func pixels<Pointer: Strideable>(_ image: WinogradImage<Pointer>, _ index: Int) -> Pointer
  where Pointer.Stride == Int { image.pixels.advanced(by: index &* height &* image.rowStride) }

  /// Lists the `side` x `side` pixels from (top, left) on; those outside of the image are zeros.
  @inline(__always)
  private func listPixels(
    of image: UnsafePointer<Float>, _ rowStride: Int, _ pixelStride: Int, _ top: Int, _ left: Int, side: Int,
    _ memory: Memory
  ) {
    for y in 0..<side {
      let line = memory.pixels + y &* side
      let row = top &+ y
      let first = image + (row &* rowStride &+ left &* pixelStride)
      if row < 0 || row >= height {
        for x in 0..<side { line[x] = memory.zeros }
      } else if left >= 0 && left &+ side <= width {
        for x in 0..<side { line[x] = first + x &* pixelStride }
      } else {
        for x in 0..<side {
          line[x] = left &+ x >= 0 && left &+ x < width ? first + x &* pixelStride : memory.zeros
        }
      }
    }
  }

  /// Fetches `lines` lines of four pixels from `first` on. Tiles follow each other in jumps between lines, which the
  /// processor does not foresee.
  @inline(__always)
  private func prefetch(
    _ first: UnsafePointer<Float>, lines: Int, _ rowStride: Int, _ pixelStride: Int, channels: Int
  ) {
    for y in 0..<lines {
      for x in 0..<Self.side {
        let pixel = first + (y &* rowStride &+ x &* pixelStride)
        var place = 0
        while place < channels {
          oboro_prefetch(pixel + place)
          place &+= Vector.width
        }
      }
    }
  }

  /// V = Bᵀ d B of the pixels d around `tile`.
  func transformInput(
    _ tile: Int, _ images: WinogradImage<UnsafePointer<Float>>, into v: UnsafeMutablePointer<Float>,
    placeStride: Int, _ memory: Memory
  ) {
    let (image, tileTop, tileLeft) = origin(tile)
    let (top, left) = (tileTop &- images.above, tileLeft &- images.before)
    let patch = Self.patch
    let first = pixels(images, image)
    listPixels(of: first, images.rowStride, images.pixelStride, top, left, side: patch, memory)
    let (pixels, between) = (memory.pixels, memory.between)
    // The next tile begins with this one's last columns.
    prefetch(
      first + (top &* images.rowStride &+ (left &+ patch) &* images.pixelStride), lines: patch,
      images.rowStride, images.pixelStride, channels: images.channels)
    Self.forEachVector(images.channels) { channel in
      for x in 0..<patch {
        Scheme.input(Scheme.Points { Vector(from: pixels[patch &* $0 &+ x] + channel) })
          .store(to: between + x &* Vector.width, stride: patch &* Vector.width)
      }
      for y in 0..<patch {
        Scheme.input(Scheme.Points(from: between + y &* patch &* Vector.width, stride: Vector.width))
          .store(to: v + (y &* patch &* placeStride &+ channel), stride: placeStride)
      }
    }
  }

  /// Y = Aᵀ M A + bias, as far as the tile lies in the image.
  ///
  /// - Parameters:
  ///   - channels: those to write.
  ///   - first: of them.
  func transformOutput(
    _ tile: Int, _ m: UnsafePointer<Float>, placeStride: Int, bias: UnsafePointer<Float>?, first: Int,
    channels: Int, into images: WinogradImage<UnsafeMutablePointer<Float>>, _ memory: Memory
  ) {
    let (image, top, left) = origin(tile)
    let (rowStride, pixelStride) = (images.rowStride, images.pixelStride)
    let corner = pixels(images, image) + (top &* rowStride &+ left &* pixelStride &+ first)
    let rows = min(Self.side, height &- top)
    let columns = min(Self.side, width &- left)
    let (patch, between) = (Self.patch, memory.between)
    if channels == images.channels {
      prefetch(
        corner + Self.side &* pixelStride, lines: Self.side, rowStride, pixelStride, channels: channels)
    }
    Self.forEachVector(channels) { channel in
      for x in 0..<patch {
        Scheme.output(
          Scheme.Points(from: m + (x &* placeStride &+ channel), stride: patch &* placeStride)
        ).store(to: between + x &* Vector.width, stride: patch &* Vector.width)
      }
      let shift = bias.map { Vector(from: $0 + channel) } ?? Vector(repeating: 0)
      for y in 0..<rows {
        let row = Scheme.output(
          Scheme.Points(from: between + y &* patch &* Vector.width, stride: Vector.width))
        let place = corner + (y &* rowStride &+ channel)
        (row.v0 + shift).store(to: place)
        if columns > 1 { (row.v1 + shift).store(to: place + pixelStride) }
        if columns > 2 { (row.v2 + shift).store(to: place + 2 &* pixelStride) }
        if columns > 3 { (row.v3 + shift).store(to: place + 3 &* pixelStride) }
      }
    }
  }

  /// dM = A dY Aᵀ; what lies outside of the image has no gradient.
  func transformOutputGradient(
    _ tile: Int, _ images: WinogradImage<UnsafePointer<Float>>, into m: UnsafeMutablePointer<Float>,
    placeStride: Int, _ memory: Memory
  ) {
    let (image, top, left) = origin(tile)
    let first = pixels(images, image)
    let (side, patch) = (Self.side, Self.patch)
    listPixels(of: first, images.rowStride, images.pixelStride, top, left, side: side, memory)
    let (pixels, between) = (memory.pixels, memory.between)
    prefetch(
      first + (top &* images.rowStride &+ (left &+ side) &* images.pixelStride), lines: side,
      images.rowStride, images.pixelStride, channels: images.channels)
    Self.forEachVector(images.channels) { channel in
      for x in 0..<side {
        Scheme.outputAdjoint(FourLine { Vector(from: pixels[side &* $0 &+ x] + channel) })
          .store(to: between + x &* Vector.width, stride: side &* Vector.width)
      }
      for y in 0..<patch {
        Scheme.outputAdjoint(FourLine(from: between + y &* side &* Vector.width, stride: Vector.width))
          .store(to: m + (y &* patch &* placeStride &+ channel), stride: placeStride)
      }
    }
  }
}
