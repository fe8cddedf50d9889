/// The orientation of an image according to the EXIF data in its file or, failing that, its XMP data. Invalid data are
/// ignored.
struct Orientation {
  private(set) var value = 1
  private var isKnown = false

  private static let tag = 0x0112

  /// Reads EXIF data, which start at `start` and extend to the end of `file`.
  ///
  /// - Throws: `FileError`.
  mutating func read(exif file: ByteScanner, at start: Int = 0) throws {
    do {
      // Some writers include JPEG's "Exif" prefix in other formats too.
      let isNamed = try file.holds("Exif\0\0", at: start)
      try read(TIFFDirectory(file, at: start + (isNamed ? 6 : 0)))
    } catch is PictureHeader.Problem {
    }
  }

  /// Reads the directory of a TIFF file.
  ///
  /// - Throws: `FileError`.
  mutating func read(_ directory: TIFFDirectory) throws {
    guard !isKnown, directory.has(Self.tag) else { return }
    isKnown = true
    do {
      if let number = try directory.numbers(Self.tag)?.first, (1...8).contains(number) { value = number }
    } catch is PictureHeader.Problem {
    }
  }

  /// Reads XMP data (XMP specification, part 2, section 2.4), where the orientation is an attribute or an element.
  mutating func read(xmp: [UInt8]) {
    guard !isKnown else { return }
    let name = Array("tiff:Orientation".utf8)
    for place in xmp.indices where xmp[place] == name[0] && xmp[place...].starts(with: name) {
      let rest = xmp[(place + name.count)...]
      for start in [Array("=\"".utf8), Array("='".utf8), Array(">".utf8)] where rest.starts(with: start) {
        guard let digit = rest.dropFirst(start.count).first, (0x31...0x38).contains(digit) else { continue }
        value = Int(digit - 0x30)
        isKnown = true
        return
      }
    }
  }
}
