/// How a picture is to be turned, from what its file says in EXIF data or, where that says nothing, in XMP data. What
/// makes no sense there says nothing.
struct Orientation {
  private(set) var value = 1
  private var isKnown = false

  private static let tag = 0x0112

  /// Takes what EXIF data says, which begins at `start` and reaches to the end of `file`.
  ///
  /// - Throws: `FileError`.
  mutating func read(exif file: ByteScanner, at start: Int = 0) throws {
    do {
      // Some writers put the name that is JPEG's before it elsewhere too.
      let isNamed = try file.holds("Exif\0\0", at: start)
      try read(TIFFDirectory(file, at: start + (isNamed ? 6 : 0)))
    } catch is PictureHeader.Problem {
    }
  }

  /// Takes what a TIFF file's directory says.
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

  /// Takes what XMP data says (XMP specification, part 2, section 2.4): an attribute or an element.
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
