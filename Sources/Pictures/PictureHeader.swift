/// What a picture's file says of itself, before anything is decoded or allocated for it.
public struct PictureHeader: Sendable, Equatable {
  public enum Format: String, Sendable, CaseIterable {
    case png = "PNG"
    case jpeg = "JPEG"
    case webp = "WebP"
    case gif = "GIF"
    case bmp = "BMP"
  }

  public let format: Format
  /// Pixels as stored: `orientation` is not applied.
  public let storedWidth: Int
  public let storedHeight: Int
  /// Whether the file can hold nothing but greys: by its kind, or by its palette.
  public let isGrey: Bool
  /// How the picture is to be turned, as EXIF numbers it (tag 0x0112): 1 as it is, up to 8; above 4 with width and
  /// height exchanged.
  public let orientation: Int

  init(_ format: Format, _ width: Int, _ height: Int, isGrey: Bool, orientation: Int = 1) {
    self.format = format
    storedWidth = width
    storedHeight = height
    self.isGrey = isGrey
    self.orientation = orientation
  }

  /// Pixels as shown.
  public var width: Int { orientation > 4 ? storedHeight : storedWidth }
  public var height: Int { orientation > 4 ? storedWidth : storedHeight }

  /// How many pixels a picture may have: what claims more is refused before memory is taken for it. 8192 x 8192 need
  /// 256 MB while they are decoded.
  public static let pixelLimit = 1 << 26

  /// Why bytes are no header.
  enum Problem: Error, Equatable {
    /// More bytes may tell.
    case endsEarly
    case malformed(String)
  }

  /// Takes the header from the file's first bytes; its format from their content, whatever the file's name.
  ///
  /// - Throws: `Problem`.
  init(_ bytes: [UInt8]) throws {
    let scanner = ByteScanner(bytes)
    let header =
      if scanner.holds([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], at: 0) {
        try Self.png(scanner)
      } else if scanner.holds([0xFF, 0xD8, 0xFF], at: 0) {
        try Self.jpeg(scanner)
      } else if scanner.holds("RIFF", at: 0) && scanner.holds("WEBP", at: 8) {
        try Self.webp(scanner)
      } else if scanner.holds("GIF87a", at: 0) || scanner.holds("GIF89a", at: 0) {
        try Self.gif(scanner)
      } else if scanner.holds("BM", at: 0) {
        try Self.bmp(scanner)
      } else {
        throw Problem.malformed(
          "is no picture of a known format (\(Format.allCases.map(\.rawValue).joined(separator: ", ")))")
      }
    guard header.width > 0, header.height > 0 else {
      throw Problem.malformed("is \(header.height) x \(header.width) pixels, by its header")
    }
    // Both are below 2^32.
    guard header.width * header.height <= Self.pixelLimit else {
      throw Problem.malformed(
        "is \(header.height) x \(header.width) pixels, by its header, more than the \(Self.pixelLimit) that are read"
      )
    }
    self = header
  }
}
