extension PictureHeader {
  /// GIF89a specification, sections 18 to 22. For an animation, this describes the first image and its surrounding
  /// screen, which is transparent. An image larger than its screen enlarges the screen, as in browsers.
  static func gif(_ file: ByteScanner) throws -> PictureHeader {
    let globalCount = tableCount(try file.byte(10))
    let place = try firstPicture(file)
    let frame = try gifFrame(file)
    let (width, height) = (try file.little(2, at: 6), try file.little(2, at: 8))
    let localCount = tableCount(try file.byte(place + 9))
    let isGrey = try file.isGrey(
      palette: localCount > 0 ? place + 10 : 13, count: localCount > 0 ? localCount : globalCount)
    return PictureHeader(
      .gif, max(width, frame.left + frame.width), max(height, frame.top + frame.height), isGrey: isGrey)
  }

  /// The position of the first image on its screen.
  static func gifFrame(_ file: ByteScanner) throws -> (left: Int, top: Int, width: Int, height: Int) {
    let place = try firstPicture(file)
    return try (
      file.little(2, at: place + 1), file.little(2, at: place + 3), file.little(2, at: place + 5),
      file.little(2, at: place + 7)
    )
  }

  /// The number of colours in the table described by `flags`.
  private static func tableCount(_ flags: Int) -> Int { flags & 0x80 == 0 ? 0 : 2 << (flags & 7) }

  /// The offset of the file's first image, after the extension blocks.
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

  /// The offset after a chain of GIF sub-blocks, each a length followed by that many bytes; one of length 0 ends it.
  private static func end(ofBlocks place: Int, _ file: ByteScanner) throws -> Int {
    var place = place
    while true {
      let length = try file.byte(place)
      place += length + 1
      if length == 0 { return place }
    }
  }

  /// The offset at which the data of the file's first image end; the decoder would fill in missing data.
  ///
  /// - Throws: `Problem.endsEarly` if the file ends before the end marker.
  static func gifDataEnd(_ file: ByteScanner) throws -> Int {
    let place = try firstPicture(file)
    // The image's local palette is followed by a byte with the LZW code size.
    return try end(ofBlocks: place + 11 + 3 * tableCount(file.byte(place + 9)), file)
  }
}
