extension PictureHeader {
  /// "WebP Container Specification", and RFC 6386, section 9.1, for lossy images.
  static func webp(_ file: ByteScanner) throws -> PictureHeader {
    if try file.holds("VP8 ", at: 12) {
      guard try file.holds([0x9D, 0x01, 0x2A], at: 23) else {
        if file.count < 26 { throw Problem.endsEarly }
        throw Problem.malformed("is no WebP picture: its data begins with no key frame")
      }
      let (width, height) = (try file.little(2, at: 26) & 0x3FFF, try file.little(2, at: 28) & 0x3FFF)
      return PictureHeader(.webp, width, height, isGrey: false)
    }
    if try file.holds("VP8L", at: 12) {
      let bits = try file.little(4, at: 21)
      return PictureHeader(.webp, (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, isGrey: false)
    }
    if try file.holds("VP8X", at: 12) {
      let (width, height) = (try file.little(3, at: 24) + 1, try file.little(3, at: 27) + 1)
      return PictureHeader(
        .webp, width, height, isGrey: false, orientation: try webpOrientation(file).value)
    }
    if file.count < 16 { throw Problem.endsEarly }
    throw Problem.malformed("is no WebP picture: its first chunk is unknown")
  }

  /// Searches the file's chunks, each of which is a name, a length, and content padded to an even number of bytes.
  private static func webpOrientation(_ file: ByteScanner) throws -> Orientation {
    var orientation = Orientation()
    var xmp: [UInt8] = []
    var place = 12
    while let length = try? file.little(4, at: place + 4), length <= file.count - place - 8 {
      if try file.holds("EXIF", at: place) {
        try orientation.read(exif: ByteScanner(file.bytes(length, at: place + 8)))
      } else if try file.holds("XMP ", at: place) {
        xmp = try file.bytes(length, at: place + 8)
      }
      place += 8 + length + length % 2
    }
    orientation.read(xmp: xmp)
    return orientation
  }
}
