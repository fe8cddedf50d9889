extension PictureHeader {
  /// TIFF 6.0, section 8: the directory of the first image. Further pages are ignored.
  static func tiff(_ file: ByteScanner) throws -> PictureHeader {
    let directory = try TIFFDirectory(file)
    guard let width = try directory.numbers(256)?.first, let height = try directory.numbers(257)?.first else {
      throw Problem.malformed("is a TIFF file without a picture")
    }
    let (whiteIsZero, blackIsZero, palette) = (0, 1, 3)
    let kind = try directory.numbers(262)?.first
    var isGrey = kind == whiteIsZero || kind == blackIsZero
    if kind == palette, let map = try directory.numbers(320, limit: 3 << 16) {
      // All red values, followed by all green values and all blue values.
      let count = map.count / 3
      isGrey = map[..<count] == map[count..<2 * count] && map[..<count] == map[(2 * count)..<(3 * count)]
    }
    var orientation = Orientation()
    try orientation.read(directory)
    return PictureHeader(.tiff, width, height, isGrey: isGrey, orientation: orientation.value)
  }
}
