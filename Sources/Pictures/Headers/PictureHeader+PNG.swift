import CZlib

extension PictureHeader {
  /// PNG specification (ISO 15948), sections 5.3 and 11: chunks of a length, a name, the content and a checksum.
  static func png(_ file: ByteScanner) throws -> PictureHeader {
    guard file.count >= 16 else { throw Problem.endsEarly }
    guard try file.big(4, at: 8) == 13, try file.holds("IHDR", at: 12) else {
      throw Problem.malformed("is no PNG picture: its first chunk is no header")
    }
    let (width, height, kind) = (try file.big(4, at: 16), try file.big(4, at: 20), try file.byte(25))
    let palette = 3
    // Greyscale, without or with opacity.
    var isGrey = kind == 0 || kind == 4
    var orientation = Orientation()
    var texts: [PNGText] = []
    var place = 8
    var isLast = false
    // A truncated end is left for the decoder to detect.
    while !isLast, let length = try? file.big(4, at: place), length <= file.count - place - 12 {
      let (name, content) = (String(decoding: try file.bytes(4, at: place + 4), as: UTF8.self), place + 8)
      switch name {
      case "PLTE" where kind == palette:
        isGrey = try file.isGrey(palette: content, count: min(length / 3, 256))
      case "eXIf" where try isIntact(file, content, length):
        try orientation.read(exif: ByteScanner(file.bytes(length, at: content)))
      case "tEXt", "zTXt", "iTXt":
        if let text = try PNGText(name, file, content, length) { texts.append(text) }
      case "IEND": isLast = true
      default: break
      }
      place += length + 12
    }
    // The eXIf chunk, which may appear anywhere, takes precedence over the texts used before it was introduced in 2017.
    for text in texts { if let exif = text.exif { try orientation.read(exif: ByteScanner(exif)) } }
    for text in texts { if let xmp = text.xmp { orientation.read(xmp: xmp) } }
    return PictureHeader(.png, width, height, isGrey: isGrey, orientation: orientation.value)
  }

  private static func isIntact(_ file: ByteScanner, _ content: Int, _ length: Int) throws -> Bool {
    let bytes = try file.bytes(length + 4, at: content - 4)
    return try file.big(4, at: content + length) == Int(crc32_z(0, bytes, bytes.count))
  }
}

/// A text chunk of a PNG file in which programs store EXIF or XMP data (section 11.3.4).
private struct PNGText {
  private let keyword: String
  private let text: [UInt8]

  /// Longer texts are skipped, whether compressed or uncompressed.
  private static let sizeLimit = 1 << 20
  private static let exifKeywords = ["Raw profile type exif", "Raw profile type APP1"]
  private static let xmpKeyword = "XML:com.adobe.xmp"

  /// - Returns: nil for a text about something else, or one that cannot be decompressed.
  init?(_ chunk: String, _ file: ByteScanner, _ place: Int, _ length: Int) throws {
    let start = try file.bytes(min(length, 80), at: place)
    guard let keyword = start.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false).first,
      length <= Self.sizeLimit
    else { return nil }
    self.keyword = String(decoding: keyword, as: UTF8.self)
    guard (Self.exifKeywords + [Self.xmpKeyword]).contains(self.keyword) else { return nil }
    var rest = try file.bytes(length, at: place).dropFirst(keyword.count + 1)
    var isPacked = chunk == "zTXt"
    if chunk == "iTXt" {
      // The compression flag, the compression method, the language, and the translated keyword.
      isPacked = rest.first == 1
      rest = rest.dropFirst(2).drop { $0 != 0 }.dropFirst().drop { $0 != 0 }.dropFirst()
    } else if isPacked {
      rest = rest.dropFirst()
    }
    guard isPacked else {
      text = Array(rest)
      return
    }
    guard let unpacked = Self.unpacked(Array(rest)) else { return nil }
    text = unpacked
  }

  private static func unpacked(_ bytes: [UInt8]) -> [UInt8]? {
    var size = uLong(sizeLimit)
    var isWhole = false
    let text = [UInt8](unsafeUninitializedCapacity: sizeLimit) { buffer, filled in
      isWhole = uncompress(buffer.baseAddress, &size, bytes, uLong(bytes.count)) == Z_OK
      filled = isWhole ? Int(size) : 0
    }
    return isWhole ? text : nil
  }

  var xmp: [UInt8]? { keyword == Self.xmpKeyword ? text : nil }

  /// ImageMagick's format: a line break, a name, the number of bytes, and the bytes in hexadecimal.
  var exif: [UInt8]? {
    guard Self.exifKeywords.contains(keyword) else { return nil }
    let lines = text.split(separator: 0x0A, omittingEmptySubsequences: false).dropFirst(3)
    let digits = lines.joined().compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
  }
}
