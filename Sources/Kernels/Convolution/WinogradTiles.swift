/// The tiles of a batch of images, and their transforms to and from the scheme's places.
///
/// The channels of a transformed tile are contiguous at each place; places are `placeStride` floats apart.
///
/// Tiles are numbered so that those with a given place are consecutive: first the tiles that are high but not wide,
/// then high and wide ones, then those that are wide but not high, then those that are neither.
struct WinogradTiles<Scheme: WinogradScheme> {
  let batch: Int
  let height: Int
  let width: Int
  private let rows: Lengths
  private let columns: Lengths
  /// The index of the first tile of each kind.
  private let (firstLarge, firstWide, firstSmall): (Int, Int, Int)

  init(batch: Int, height: Int, width: Int) {
    (self.batch, self.height, self.width) = (batch, height, width)
    (rows, columns) = (Lengths(of: height), Lengths(of: width))
    firstLarge = batch * rows.long * columns.short
    firstWide = firstLarge + batch * rows.long * columns.long
    firstSmall = firstWide + batch * rows.short * columns.long
  }

  /// A side divided into long and short parts, the long ones first.
  private struct Lengths {
    let long: Int
    let short: Int

    init(of side: Int) {
      let count = (side + Scheme.Long.outputs - 1) / Scheme.Long.outputs
      short = Scheme.pointOfLong == nil ? 0 : min(count, Scheme.Long.outputs * count - side)
      long = count - short
    }

    var count: Int { long + short }
    var points: Int { long * Scheme.Long.points + short * Scheme.Short.points }
  }

  var count: Int { batch * rows.count * columns.count }

  /// The number of products per pair of channels.
  var products: Int { batch * rows.points * columns.points }

  /// The tiles among `tiles` that have the place `xi`.
  func having(_ xi: Int, of tiles: Range<Int>) -> Range<Int> {
    let first = xi % Scheme.points == Scheme.pointOfLong ? firstLarge : 0
    let end =
      switch (xi / Scheme.points == Scheme.pointOfLong, xi % Scheme.points == Scheme.pointOfLong) {
      case (true, _): firstWide
      case (false, true): firstSmall
      case (false, false): count
      }
    return tiles.clamped(to: first..<end)
  }

  /// A worker's memory for one tile.
  struct Memory {
    /// Intermediate results between the two dimensions, a vector for each place.
    let between: UnsafeMutablePointer<Float>
    /// Pointers to the pixels of a tile, row by row.
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

  /// Calls `body` with the start of each vector covering `channels`, at least 16; the last may overlap the one before
  /// it.
  @inline(__always)
  private static func forEachVector(_ channels: Int, _ body: (_ channel: Int) -> Void) {
    var channel = 0
    while channel &+ Vector.width <= channels {
      body(channel)
      channel &+= Vector.width
    }
    if channel < channels { body(channels &- Vector.width) }
  }

  private struct Place {
    let image: Int
    let top: Int
    let left: Int
    let isHigh: Bool
    let isWide: Bool
    /// The offset of the next tile in rows and columns: next to this one, or in the next row of tiles.
    let next: (rows: Int, columns: Int)
  }

  private func place(_ tile: Int) -> Place {
    let isHigh = tile < firstWide
    let isWide = tile >= firstLarge && tile < firstSmall
    let first = isHigh ? (isWide ? firstLarge : 0) : (isWide ? firstWide : firstSmall)
    let across = isWide ? columns.long : columns.short
    let (line, column) = (tile &- first).quotientAndRemainder(dividingBy: across)
    let (image, row) = line.quotientAndRemainder(dividingBy: isHigh ? rows.long : rows.short)
    let (long, short) = (Scheme.Long.outputs, Scheme.Short.outputs)
    let (high, wide) = (isHigh ? long : short, isWide ? long : short)
    return Place(
      image: image, top: isHigh ? row &* long : rows.long &* long &+ row &* short,
      left: isWide ? column &* long : columns.long &* long &+ column &* short, isHigh: isHigh,
      isWide: isWide, next: column &+ 1 < across ? (0, wide) : (high, 0 &- column &* wide))
  }

  /// The pixels of one image.
  @inline(__always)
  private func pixels<Pointer: Strideable>(_ image: WinogradImage<Pointer>, _ index: Int) -> Pointer
  where Pointer.Stride == Int { image.pixels.advanced(by: index &* height &* image.rowStride) }

  /// Lists pointers to `rows` x `columns` pixels from (top, left) on; those outside the image point to zeros.
  @inline(__always)
  private func listPixels(
    of image: UnsafePointer<Float>, _ rowStride: Int, _ pixelStride: Int, _ top: Int, _ left: Int, rows: Int,
    columns: Int, _ memory: Memory
  ) {
    for y in 0..<rows {
      let line = memory.pixels + y &* columns
      let row = top &+ y
      let first = image + (row &* rowStride &+ left &* pixelStride)
      if row < 0 || row >= height {
        for x in 0..<columns { line[x] = memory.zeros }
      } else if left >= 0 && left &+ columns <= width {
        for x in 0..<columns { line[x] = first + x &* pixelStride }
      } else {
        for x in 0..<columns {
          line[x] = left &+ x >= 0 && left &+ x < width ? first + x &* pixelStride : memory.zeros
        }
      }
    }
  }

  /// Prefetches a vector of each pixel in `rows` rows of four, from `first` on. The hardware prefetcher does not
  /// anticipate the next tile's pixels, and only about twenty fetches can be in flight, so the transform of each vector
  /// of this tile prefetches the same vector of the next.
  @inline(__always)
  private func prefetch(_ first: UnsafePointer<Float>, rows: Int, _ rowStride: Int, _ pixelStride: Int) {
    for y in 0..<rows {
      for x in 0..<Scheme.Long.outputs { (first + (y &* rowStride &+ x &* pixelStride)).prefetch(1) }
    }
  }

  /// Computes V = Bᵀ d B from the pixels d around `tile`.
  func transformInput(
    _ tile: Int, _ images: WinogradImage<UnsafePointer<Float>>, into v: UnsafeMutablePointer<Float>,
    placeStride: Int, _ memory: Memory
  ) {
    let place = place(tile)
    @inline(__always) func transform<Rows: WinogradSide, Columns: WinogradSide>(
      _: Rows.Type, _: Columns.Type
    ) {
      let (top, left) = (place.top &- images.above, place.left &- images.before)
      let first = pixels(images, place.image)
      let across = Columns.points
      listPixels(
        of: first, images.rowStride, images.pixelStride, top, left, rows: Rows.points, columns: across, memory
      )
      let (pixels, between) = (memory.pixels, memory.between)
      // The next tile begins with this one's last columns and with rows already loaded for the tiles above it.
      let (rowsKnown, columnsKnown) = (Rows.points &- Rows.outputs, Columns.points &- Columns.outputs)
      let next =
        first
        + ((top &+ place.next.rows &+ rowsKnown) &* images.rowStride
          &+ (left &+ place.next.columns &+ columnsKnown) &* images.pixelStride)
      Self.forEachVector(images.channels) { channel in
        prefetch(next + channel, rows: Rows.outputs, images.rowStride, images.pixelStride)
        for x in 0..<across {
          Rows.input(Rows.Points { Vector(from: pixels[across &* $0 &+ x] + channel) })
            .store(to: between + x &* Vector.width, stride: across &* Vector.width)
        }
        for y in 0..<Rows.points {
          let line = v + (Rows.place(y) &* Scheme.points &* placeStride &+ channel)
          Columns.input(Columns.Points(from: between + y &* across &* Vector.width, stride: Vector.width))
            .forEach { x, value in value.store(to: line + Columns.place(x) &* placeStride) }
        }
      }
    }
    switch (place.isHigh, place.isWide) {
    case (true, true): transform(Scheme.Long.self, Scheme.Long.self)
    case (true, false): transform(Scheme.Long.self, Scheme.Short.self)
    case (false, true): transform(Scheme.Short.self, Scheme.Long.self)
    case (false, false): transform(Scheme.Short.self, Scheme.Short.self)
    }
  }

  /// Computes Y = Aᵀ M A + bias where the tile lies inside the image.
  ///
  /// - Parameters:
  ///   - channels: the number of channels to write.
  ///   - first: the first channel to write.
  func transformOutput(
    _ tile: Int, _ m: UnsafePointer<Float>, placeStride: Int, bias: UnsafePointer<Float>?, first: Int,
    channels: Int, into images: WinogradImage<UnsafeMutablePointer<Float>>, _ memory: Memory
  ) {
    let place = place(tile)
    @inline(__always) func transform<Rows: WinogradSide, Columns: WinogradSide>(
      _: Rows.Type, _: Columns.Type
    ) {
      let (rowStride, pixelStride) = (images.rowStride, images.pixelStride)
      let corner =
        pixels(images, place.image) + (place.top &* rowStride &+ place.left &* pixelStride &+ first)
      let rows = min(Rows.outputs, height &- place.top)
      let columns = min(Columns.outputs, width &- place.left)
      let (across, between) = (Columns.points, memory.between)
      let next = corner + (place.next.rows &* rowStride &+ place.next.columns &* pixelStride)
      Self.forEachVector(channels) { channel in
        prefetch(next + channel, rows: Rows.outputs, rowStride, pixelStride)
        for x in 0..<across {
          let column = m + (Columns.place(x) &* placeStride &+ channel)
          Rows.output(
            Rows.Points { Vector(from: column + Rows.place($0) &* Scheme.points &* placeStride) }
          ).store(to: between + x &* Vector.width, stride: across &* Vector.width)
        }
        let shift = bias.map { Vector(from: $0 + channel) } ?? Vector(repeating: 0)
        for y in 0..<rows {
          let line = corner + (y &* rowStride &+ channel)
          Columns.output(Columns.Points(from: between + y &* across &* Vector.width, stride: Vector.width))
            .forEach { x, value in if x < columns { (value + shift).store(to: line + x &* pixelStride) } }
        }
      }
    }
    switch (place.isHigh, place.isWide) {
    case (true, true): transform(Scheme.Long.self, Scheme.Long.self)
    case (true, false): transform(Scheme.Long.self, Scheme.Short.self)
    case (false, true): transform(Scheme.Short.self, Scheme.Long.self)
    case (false, false): transform(Scheme.Short.self, Scheme.Short.self)
    }
  }

  /// Computes dM = A dY Aᵀ; pixels outside the image have zero gradient.
  func transformOutputGradient(
    _ tile: Int, _ images: WinogradImage<UnsafePointer<Float>>, into m: UnsafeMutablePointer<Float>,
    placeStride: Int, _ memory: Memory
  ) {
    let place = place(tile)
    @inline(__always) func transform<Rows: WinogradSide, Columns: WinogradSide>(
      _: Rows.Type, _: Columns.Type
    ) {
      let first = pixels(images, place.image)
      let across = Columns.outputs
      listPixels(
        of: first, images.rowStride, images.pixelStride, place.top, place.left, rows: Rows.outputs,
        columns: across, memory)
      let (pixels, between) = (memory.pixels, memory.between)
      let next =
        first
        + ((place.top &+ place.next.rows) &* images.rowStride
          &+ (place.left &+ place.next.columns) &* images.pixelStride)
      Self.forEachVector(images.channels) { channel in
        prefetch(next + channel, rows: Rows.outputs, images.rowStride, images.pixelStride)
        for x in 0..<across {
          Rows.outputAdjoint(Rows.Outputs { Vector(from: pixels[across &* $0 &+ x] + channel) })
            .store(to: between + x &* Vector.width, stride: across &* Vector.width)
        }
        for y in 0..<Rows.points {
          let line = m + (Rows.place(y) &* Scheme.points &* placeStride &+ channel)
          Columns.outputAdjoint(
            Columns.Outputs(from: between + y &* across &* Vector.width, stride: Vector.width)
          ).forEach { x, value in value.store(to: line + Columns.place(x) &* placeStride) }
        }
      }
    }
    switch (place.isHigh, place.isWide) {
    case (true, true): transform(Scheme.Long.self, Scheme.Long.self)
    case (true, false): transform(Scheme.Long.self, Scheme.Short.self)
    case (false, true): transform(Scheme.Short.self, Scheme.Long.self)
    case (false, false): transform(Scheme.Short.self, Scheme.Short.self)
    }
  }
}
