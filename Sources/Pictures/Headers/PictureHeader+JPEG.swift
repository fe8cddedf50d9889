extension PictureHeader {
  /// ITU-T T.81, annex B. A segment is a marker, usually followed by a length that includes itself.
  static func jpeg(_ file: ByteScanner) throws -> PictureHeader {
    var place = 2
    var frame: (width: Int, height: Int, components: Int)?
    var exif: [UInt8] = []
    var xmp: [UInt8] = []
    reading: while true {
      // Stray bytes are skipped, as in every decoder.
      while try file.byte(place) != 0xFF { place += 1 }
      let marker = try file.byte(place + 1)
      switch marker {
      case 0xFF:  // Fill byte.
        place += 1
        continue
      case 0x00, 0x01, 0xD0...0xD8:  // Not a marker, or a marker without a length.
        place += 2
        continue
      case 0xC0...0xCF where ![0xC4, 0xC8, 0xCC].contains(marker):
        let (height, width) = (try file.big(2, at: place + 5), try file.big(2, at: place + 7))
        let components = try file.byte(place + 9)
        frame = frame ?? (width, height, components)
      case 0xD9, 0xDA: break reading
      default: break
      }
      let length = try file.big(2, at: place + 2)
      guard length >= 2 else { throw Problem.malformed("has a segment of length \(length) at byte \(place)") }
      if marker == 0xE1 {
        let content = try file.bytes(length - 2, at: place + 4)
        if content.starts(with: Array("Exif\0".utf8)) {
          // Data too long for one segment are continued in the next.
          exif += content.dropFirst(6)
        } else if content.starts(with: Array("http://ns.adobe.com/xap/1.0/\0".utf8)) {
          xmp = content
        }
      }
      place += 2 + length
    }
    guard let frame else { throw Problem.malformed("is no JPEG picture: no frame before its data") }
    var orientation = Orientation()
    try orientation.read(exif: ByteScanner(exif))
    orientation.read(xmp: xmp)
    return PictureHeader(
      .jpeg, frame.width, frame.height, isGrey: frame.components == 1, orientation: orientation.value)
  }
}
