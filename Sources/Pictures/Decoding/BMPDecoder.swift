/// Decodes BMP files. libgd rejects those with 16 bits per pixel, and those with headers of lengths unknown to it;
/// Debian has no small library for them.
struct BMPDecoder {
  private let file: [UInt8]
  private let layout: BMPLayout
  /// The palette, [count, 3].
  private let palette: [UInt8]

  /// - Throws: `PictureHeader.Problem`, `FileError`.
  init(_ file: [UInt8]) throws {
    self.file = file
    let scanner = ByteScanner(file)
    layout = try BMPLayout(scanner)
    let (place, count, stride) = layout.palette
    palette = try (0..<count).flatMap { colour in
      try scanner.bytes(3, at: place + colour * stride).reversed()
    }
  }

  /// - Throws: `PictureHeader.Problem.endsEarly` if pixels are missing; `PictureHeader.Problem` if there is no memory.
  func decode() throws -> Raster {
    if layout.bits <= 8 {
      let raster = try Raster(width: layout.width, height: layout.height, layout: .rgb)
      switch layout.packing {
      case .none: try readIndices(into: raster)
      case .runs8, .runs4: try readRuns(into: raster)
      }
      return raster
    }
    let hasOpacity = layout.bits != 24 && layout.masks[3] != 0
    let raster = try Raster(width: layout.width, height: layout.height, layout: hasOpacity ? .rgba : .rgb)
    try readColours(into: raster)
    return raster
  }

  /// Calls `body` for each row, starting at the top, with the offset of its bytes.
  private func eachRow(_ body: (_ row: Int, _ start: Int) -> Void) throws {
    guard layout.dataStart <= file.count, layout.rowSize * layout.height <= file.count - layout.dataStart
    else {
      throw PictureHeader.Problem.endsEarly
    }
    for row in 0..<layout.height {
      let stored = layout.isTopDown ? row : layout.height - 1 - row
      body(row, layout.dataStart + stored * layout.rowSize)
    }
  }

  private func readIndices(into raster: borrowing Raster) throws {
    let (width, bits) = (layout.width, layout.bits)
    let (mask, samples) = ((1 << bits) - 1, raster.samples)
    try eachRow { row, start in
      for x in 0..<width {
        let bit = x * bits
        let index = Int(file[start + bit / 8]) >> (8 - bits - bit % 8) & mask
        show(index, at: row * width + x, in: samples)
      }
    }
  }

  /// Colours missing from the palette are black.
  private func show(_ index: Int, at pixel: Int, in samples: UnsafeMutableBufferPointer<UInt8>) {
    for channel in 0..<3 {
      samples[3 * pixel + channel] = 3 * index < palette.count ? palette[3 * index + channel] : 0
    }
  }

  private func readColours(into raster: borrowing Raster) throws {
    let (width, size, components) = (layout.width, layout.bits / 8, raster.components)
    let channels = layout.masks.prefix(components).map(Channel.init)
    let samples = raster.samples
    try eachRow { row, start in
      for x in 0..<width {
        let (source, target) = (start + x * size, (row * width + x) * components)
        var pixel: UInt32 = 0
        for byte in 0..<size { pixel |= UInt32(file[source + byte]) << UInt32(8 * byte) }
        for channel in 0..<components { samples[target + channel] = channels[channel].sample(pixel) }
      }
    }
  }

  /// The bits of a pixel that make up one sample.
  private struct Channel {
    let shift: UInt32
    let largest: UInt64

    init(_ mask: UInt32) {
      shift = mask == 0 ? 0 : UInt32(mask.trailingZeroBitCount)
      largest = UInt64(mask >> shift)
    }

    func sample(_ pixel: UInt32) -> UInt8 {
      largest == 0 ? 0 : UInt8(truncatingIfNeeded: UInt64(pixel >> shift) & largest &* 255 / largest)
    }
  }

  /// Run-length codes: a pixel count followed by their index, or 0 followed by a command: 0 ends a row, 1 ends the
  /// image, 2 moves right and up, and larger values are a number of literal indices that follow, padded to 16-bit
  /// words. Skipped pixels have index 0.
  private func readRuns(into raster: borrowing Raster) throws {
    let (width, height, samples) = (layout.width, layout.height, raster.samples)
    for pixel in 0..<width * height { show(0, at: pixel, in: samples) }
    let bits = layout.bits
    let scanner = ByteScanner(file)
    var (place, x, y) = (layout.dataStart, 0, 0)
    func put(_ index: Int) {
      if x < width, y < height {
        show(index, at: (layout.isTopDown ? y : height - 1 - y) * width + x, in: samples)
      }
      x += 1
    }
    func index(_ byte: Int, _ number: Int) -> Int {
      bits == 8 ? byte : number % 2 == 0 ? byte >> 4 : byte & 15
    }
    while y < height {
      let (count, value) = (try scanner.byte(place), try scanner.byte(place + 1))
      place += 2
      switch (count, value) {
      case (0, 0): (x, y) = (0, y + 1)
      case (0, 1): return
      case (0, 2):
        x += try scanner.byte(place)
        y += try scanner.byte(place + 1)
        place += 2
      case (0, _):
        for number in 0..<value { put(index(try scanner.byte(place + number * bits / 8), number)) }
        place += (value * bits + 15) / 16 * 2
      default:
        for number in 0..<count { put(index(value, number)) }
      }
    }
  }
}
