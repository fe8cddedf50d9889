import CGD

/// The unique owner of a libgd image.
struct Canvas: ~Copyable {
  let image: gdImagePtr

  /// The palette size of libgd and GIF.
  private static let paletteSize = 256

  /// Takes ownership of an image created by libgd.
  init(adopting image: gdImagePtr) { self.image = image }

  deinit { gdImageDestroy(image) }

  /// A lossless image of a picture. Grey pictures become palette images whose index is the sample, coloured ones
  /// true-colour images.
  ///
  /// - Parameter path: the path named in errors.
  /// - Throws: ``PictureError`` if libgd runs out of memory or considers the image too large.
  static func exact(_ picture: Picture, for path: String) throws -> Canvas {
    if picture.channels == 1 {
      let greys = (0..<Int32(paletteSize)).map { $0 << 16 | $0 << 8 | $0 }
      return try indexed(picture, palette: greys, for: path) { picture.samples[$0] }
    }
    let canvas = try adopt(
      gdImageCreateTrueColor(Int32(clamping: picture.width), Int32(clamping: picture.height)),
      picture, path)
    for y in 0..<picture.height {
      let row = canvas.image.pointee.tpixels[y]
      for x in 0..<picture.width { row?[x] = picture.colour(y * picture.width + x) }
    }
    return canvas
  }

  /// The best palette image of a coloured picture: lossless if it has no more colours than a palette.
  ///
  /// - Throws: ``PictureError`` if libgd runs out of memory or considers the image too large.
  static func quantized(_ picture: Picture, for path: String) throws -> Canvas {
    var indices = [Int32: Int]()
    for pixel in 0..<picture.width * picture.height where indices.count <= paletteSize {
      let colour = picture.colour(pixel)
      if indices[colour] == nil { indices[colour] = indices.count }
    }
    if indices.count <= paletteSize {
      let palette = indices.sorted { $0.value < $1.value }.map(\.key)
      return try indexed(picture, palette: palette, for: path) { UInt8(indices[picture.colour($0)] ?? 0) }
    }
    let canvas = try exact(picture, for: path)
    // Median cut, chosen explicitly so that the result does not depend on how libgd was built. No dithering, which
    // costs 1 to 2 dB on small images and flickers between frames.
    gdImageTrueColorToPaletteSetMethod(canvas.image, Int32(GD_QUANT_JQUANT.rawValue), 0)
    guard gdImageTrueColorToPalette(canvas.image, 0, Int32(paletteSize)) != 0 else {
      throw PictureError(path: path, reason: "no memory to choose a palette")
    }
    return canvas
  }

  var width: Int { Int(image.pointee.sx) }
  var height: Int { Int(image.pointee.sy) }

  /// Calls a libgd function that returns a buffer and its size, and copies the buffer.
  ///
  /// - Throws: ``PictureError`` if it returns none.
  static func bytes(
    for path: String, _ body: (UnsafeMutablePointer<Int32>) -> UnsafeMutableRawPointer?
  ) throws -> [UInt8] {
    var size: Int32 = 0
    guard let memory = body(&size) else {
      throw PictureError(path: path, reason: "libgd could not encode the picture")
    }
    defer { gdFree(memory) }
    return Array(UnsafeRawBufferPointer(start: memory, count: Int(size)))
  }

  private static func indexed(
    _ picture: Picture, palette: [Int32], for path: String, index: (Int) -> UInt8
  ) throws -> Canvas {
    let canvas = try adopt(
      gdImageCreate(Int32(clamping: picture.width), Int32(clamping: picture.height)), picture, path)
    // Colours are assigned the indices 0, 1, 2, ... in order of allocation.
    for colour in palette {
      gdImageColorAllocate(canvas.image, colour >> 16 & 0xFF, colour >> 8 & 0xFF, colour & 0xFF)
    }
    for y in 0..<picture.height {
      let row = canvas.image.pointee.pixels[y]
      for x in 0..<picture.width { row?[x] = index(y * picture.width + x) }
    }
    return canvas
  }

  private static func adopt(_ image: gdImagePtr?, _ picture: Picture, _ path: String) throws -> Canvas {
    guard let image else {
      throw PictureError(path: path, reason: "no memory for \(picture.width) x \(picture.height) pixels")
    }
    return Canvas(adopting: image)
  }
}

extension Picture {
  /// A pixel of a coloured picture in libgd's format: 0xRRGGBB.
  fileprivate func colour(_ pixel: Int) -> Int32 {
    Int32(samples[3 * pixel]) << 16 | Int32(samples[3 * pixel + 1]) << 8 | Int32(samples[3 * pixel + 2])
  }
}
