/// An image format that is recognised but not supported.
public struct UnreadFormat: Sendable, Hashable {
  public let name: String

  /// Why an image of this format is skipped, and what to do about it.
  public var reason: String { "is a \(name) picture, which is not read: convert it to PNG or JPEG" }

  /// File name extensions in lower case.
  private static let extensions: [String: String] = {
    let formats = [
      ("HEIC", "heic heics heif heifs hif"), ("AVIF", "avif avifs"), ("JPEG XL", "jxl"),
      ("JPEG 2000", "jp2 j2k j2c jpc jpf jpx"), ("JPEG XR", "jxr wdp hdp"), ("Photoshop", "psd psb"),
      ("OpenEXR", "exr"), ("Radiance", "hdr"), ("Targa", "tga"), ("Netpbm", "ppm pgm pbm pnm pam pfm"),
      ("icon", "ico"), ("DirectDraw", "dds"), ("SVG", "svg svgz"), ("QOI", "qoi"), ("PCX", "pcx"),
      ("raw", "dng cr2 cr3 crw nef nrw arw srf sr2 orf rw2 raf pef srw raw rwl 3fr erf kdc dcr mrw x3f"),
    ]
    return Dictionary(
      uniqueKeysWithValues: formats.flatMap { name, ends in
        ends.split(separator: " ").map { (String($0), name) }
      })
  }()

  /// - Parameter end: the part of a file name after the last dot.
  public init?(extension end: String) {
    guard let name = Self.extensions[end.lowercased()] else { return nil }
    self.name = name
  }

  /// Detects the format from the first bytes of the file.
  ///
  /// - Throws: `FileError`.
  init?(contentOf file: ByteScanner) throws {
    let starts: [(name: String, place: Int, bytes: [UInt8])] = [
      ("JPEG XL", 0, [0xFF, 0x0A]), ("JPEG XL", 4, Array("JXL \r\n".utf8)),
      ("JPEG 2000", 4, Array("jP  \r\n".utf8)), ("JPEG 2000", 0, [0xFF, 0x4F, 0xFF, 0x51]),
      ("Photoshop", 0, Array("8BPS".utf8)), ("OpenEXR", 0, [0x76, 0x2F, 0x31, 0x01]),
      ("AVIF", 4, Array("ftypavif".utf8)), ("AVIF", 4, Array("ftypavis".utf8)),
      ("HEIC", 4, Array("ftyphei".utf8)), ("HEIC", 4, Array("ftyphev".utf8)),
      ("HEIC", 4, Array("ftypmif1".utf8)),
      ("HEIC", 4, Array("ftypmsf1".utf8)), ("raw", 4, Array("ftypcrx".utf8)), ("QOI", 0, Array("qoif".utf8)),
      ("DirectDraw", 0, Array("DDS ".utf8)), ("raw", 0, Array("FUJIFILMCCD-RAW".utf8)),
      ("icon", 0, [0, 0, 1, 0]),
    ]
    for start in starts where try file.holds(start.bytes, at: start.place) {
      name = start.name
      return
    }
    return nil
  }
}
