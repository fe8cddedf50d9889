import CGD

/// The one owner of an image of libgd.
struct Canvas: ~Copyable {
  let image: gdImagePtr

  /// What libgd and GIF hold in a palette.
  private static let paletteSize = 256

  /// Takes over an image that libgd made.
  init(adopting image: gdImagePtr) { self.image = image }

  deinit { gdImageDestroy(image) }

  /// The image of a picture without any loss. Grey pictures become palette images whose index is the sample, coloured
  /// ones true-colour images.
  ///
  /// - Parameter path: what an error names.
  /// - Throws: ``PictureError`` when libgd has no memory for it or finds it too large.
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

  /// The palette image nearest to a coloured picture: without loss if that has no more colours than a palette.
  ///
  /// - Throws: ``PictureError`` when libgd has no memory for it or finds it too large.
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
    // Median cut, named so that the result does not depend on how libgd was built. Without dithering, which on small
    // images costs 1 to 2 dB and flickers from frame to frame.
    gdImageTrueColorToPaletteSetMethod(canvas.image, Int32(GD_QUANT_JQUANT.rawValue), 0)
    guard gdImageTrueColorToPalette(canvas.image, 0, Int32(paletteSize)) != 0 else {
      throw PictureError(path: path, reason: "no memory to choose a palette")
    }
    return canvas
  }

  var width: Int { Int(image.pointee.sx) }
  var height: Int { Int(image.pointee.sy) }

  /// Runs a function of libgd that gives memory and its size, and copies that.
  ///
  /// - Throws: ``PictureError`` when it gives none.
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
    // Colours get the indices 0, 1, 2, ... in the order of their allocation.
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
  /// A coloured picture's pixel as libgd has it: 0xRRGGBB.
  fileprivate func colour(_ pixel: Int) -> Int32 {
    Int32(samples[3 * pixel]) << 16 | Int32(samples[3 * pixel + 1]) << 8 | Int32(samples[3 * pixel + 2])
  }
}
