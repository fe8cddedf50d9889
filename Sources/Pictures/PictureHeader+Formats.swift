// Where each format keeps size and palette.

extension PictureHeader {
  /// PNG specification (ISO 15948), section 11.2.
  static func png(_ file: ByteScanner) throws -> PictureHeader {
    guard file.bytes.count >= 16 else { throw Problem.endsEarly }
    guard try file.big(4, at: 8) == 13, file.holds("IHDR", at: 12) else {
      throw Problem.malformed("is no PNG picture: its first chunk is no header")
    }
    let (width, height) = (try file.big(4, at: 16), try file.big(4, at: 20))
    let colour = try PNGColour(file)
    guard colour == .palette else { return PictureHeader(.png, width, height, isGrey: colour.isGrey) }
    // Behind the header, a chunk is its length, its name, the content and a checksum.
    var place = 33
    while !file.holds("PLTE", at: place + 4) {
      let isLast = file.holds("IDAT", at: place + 4) || file.holds("IEND", at: place + 4)
      guard !isLast else { throw Problem.malformed("has no palette, though its header says so") }
      place += try file.big(4, at: place) + 12
      guard place < file.bytes.count else { throw Problem.endsEarly }
    }
    let count = min(try file.big(4, at: place) / 3, 256)
    return PictureHeader(.png, width, height, isGrey: try file.isGrey(palette: place + 8, count: count))
  }

  /// ITU-T T.81, annex B. Segments are a marker, and with most markers a length that counts itself.
  static func jpeg(_ file: ByteScanner) throws -> PictureHeader {
    var place = 2
    var orientation = 1
    while true {
      guard try file.byte(place) == 0xFF else {
        throw Problem.malformed("is no JPEG picture: expected a marker at byte \(place)")
      }
      let marker = try file.byte(place + 1)
      switch marker {
      case 0xFF:  // Filling.
        place += 1
        continue
      case 0x01, 0xD0...0xD8:  // Markers without a length.
        place += 2
        continue
      case 0xC0...0xCF where ![0xC4, 0xC8, 0xCC].contains(marker):
        let (height, width) = (try file.big(2, at: place + 5), try file.big(2, at: place + 7))
        return PictureHeader(
          .jpeg, width, height, isGrey: try file.byte(place + 9) == 1, orientation: orientation)
      case 0xD9, 0xDA:
        throw Problem.malformed("is no JPEG picture: no frame before its data")
      case 0xE1 where file.holds("Exif\0\0", at: place + 4):
        orientation = Self.orientation(file, tiff: place + 10) ?? 1
      default: break
      }
      let length = try file.big(2, at: place + 2)
      guard length >= 2 else { throw Problem.malformed("has a segment of length \(length) at byte \(place)") }
      place += 2 + length
    }
  }

  /// EXIF 2.3, section 4.5: a TIFF file inside the picture's, whose first directory may hold the orientation. What
  /// makes no sense there says nothing.
  private static func orientation(_ file: ByteScanner, tiff: Int) -> Int? {
    let isLittle = file.holds("II", at: tiff)
    func number(_ count: Int, _ place: Int) throws -> Int {
      try isLittle ? file.little(count, at: tiff + place) : file.big(count, at: tiff + place)
    }
    do {
      guard isLittle || file.holds("MM", at: tiff), try number(2, 2) == 42 else { return nil }
      let directory = try number(4, 4)
      for entry in 0..<(try number(2, directory)) {
        let place = directory + 2 + 12 * entry
        if try number(2, place) == 0x0112 {
          let value = try number(2, place + 8)
          return (1...8).contains(value) ? value : nil
        }
      }
      return nil
    } catch {
      return nil
    }
  }

  /// "WebP Container Specification", and RFC 6386, section 9.1, for lossy pictures.
  static func webp(_ file: ByteScanner) throws -> PictureHeader {
    if file.holds("VP8 ", at: 12) {
      guard file.holds([0x9D, 0x01, 0x2A], at: 23) else {
        if file.bytes.count < 26 { throw Problem.endsEarly }
        throw Problem.malformed("is no WebP picture: its data begins with no key frame")
      }
      let (width, height) = (try file.little(2, at: 26) & 0x3FFF, try file.little(2, at: 28) & 0x3FFF)
      return PictureHeader(.webp, width, height, isGrey: false)
    }
    if file.holds("VP8L", at: 12) {
      let bits = try file.little(4, at: 21)
      return PictureHeader(.webp, (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, isGrey: false)
    }
    if file.holds("VP8X", at: 12) {
      if try file.byte(20) & 2 != 0 {
        throw Problem.malformed("is an animated WebP picture, which is not read")
      }
      let (width, height) = (try file.little(3, at: 24) + 1, try file.little(3, at: 27) + 1)
      return PictureHeader(.webp, width, height, isGrey: false)
    }
    if file.bytes.count < 16 { throw Problem.endsEarly }
    throw Problem.malformed("is no WebP picture: its first chunk is unknown")
  }

  /// GIF89a specification, sections 18 to 22. Only the first picture of an animation counts, without
  /// what its screen has around it.
  static func gif(_ file: ByteScanner) throws -> PictureHeader {
    let globalCount = tableCount(try file.byte(10))
    let place = try firstPicture(file)
    let (width, height) = (try file.little(2, at: place + 5), try file.little(2, at: place + 7))
    let localCount = tableCount(try file.byte(place + 9))
    let isGrey = try file.isGrey(
      palette: localCount > 0 ? place + 10 : 13, count: localCount > 0 ? localCount : globalCount)
    return PictureHeader(.gif, width, height, isGrey: isGrey)
  }

  /// How many colours the table has that `flags` tell of.
  private static func tableCount(_ flags: Int) -> Int { flags & 0x80 == 0 ? 0 : 2 << (flags & 7) }

  /// Where a GIF file's first picture begins, behind what is said about it.
  private static func firstPicture(_ file: ByteScanner) throws -> Int {
    var place = 13 + 3 * tableCount(try file.byte(10))
    while try file.byte(place) == 0x21 {
      place = try end(ofBlocks: place + 2, file)
    }
    guard try file.byte(place) == 0x2C else {
      throw Problem.malformed("is no GIF picture: expected a picture at byte \(place)")
    }
    return place
  }

  /// The place behind a chain of GIF's sub-blocks, each its length and as many bytes; one of length 0 ends it.
  private static func end(ofBlocks place: Int, _ file: ByteScanner) throws -> Int {
    var place = place
    while true {
      let length = try file.byte(place)
      place += length + 1
      if length == 0 { return place }
    }
  }

  /// Microsoft's BITMAPINFOHEADER and the older BITMAPCOREHEADER.
  static func bmp(_ file: ByteScanner) throws -> PictureHeader {
    let headerSize = try file.little(4, at: 14)
    let isCore = headerSize == 12
    guard isCore || (40...124).contains(headerSize) else {
      throw Problem.malformed("is no BMP picture: its header has \(headerSize) bytes")
    }
    let width = try file.little(isCore ? 2 : 4, at: 18)
    let storedHeight = try file.little(isCore ? 2 : 4, at: isCore ? 20 : 22)
    // Negative for pictures whose first row is the top one.
    let height = isCore ? storedHeight : Int(Int32(truncatingIfNeeded: storedHeight).magnitude)
    let bits = try file.little(2, at: isCore ? 24 : 28)
    guard bits <= 8 else { return PictureHeader(.bmp, width, height, isGrey: false) }
    let used = isCore ? 0 : try file.little(4, at: 46)
    let count = used == 0 ? 1 << bits : min(used, 1 << bits)
    let isGrey = try file.isGrey(palette: 14 + headerSize, count: count, stride: isCore ? 3 : 4)
    return PictureHeader(.bmp, width, height, isGrey: isGrey)
  }
}

extension PictureHeader {
  /// Where the data of the file's (first) picture ends, or 0 for formats whose decoders notice what is missing.
  ///
  /// - Throws: `Problem.endsEarly` if the file ends before that is said.
  func endOfData(_ bytes: [UInt8]) throws -> Int {
    let file = ByteScanner(bytes)
    switch format {
    case .gif:
      let place = try Self.firstPicture(file)
      // Behind the picture's own palette, a byte on how its data is packed.
      return try Self.end(ofBlocks: place + 11 + 3 * Self.tableCount(file.byte(place + 9)), file)
    case .bmp:
      let isCore = try file.little(4, at: 14) == 12
      let bits = try file.little(2, at: isCore ? 24 : 28)
      let isPacked = isCore ? false : [1, 2].contains(try file.little(4, at: 30))
      // Rows are padded to whole words.
      return isPacked ? 0 : try file.little(4, at: 10) + (storedWidth * bits + 31) / 32 * 4 * storedHeight
    case .png, .jpeg, .webp: return 0
    }
  }
}
