/// What a picture's file says of itself, before anything is decoded or allocated for it.
public struct PictureHeader: Sendable, Equatable {
  public enum Format: String, Sendable, CaseIterable {
    case png = "PNG"
    case jpeg = "JPEG"
    case webp = "WebP"
    case gif = "GIF"
    case bmp = "BMP"
    case tiff = "TIFF"
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

  /// Takes the header from the file's content; its format too, whatever the file's name.
  ///
  /// - Throws: `Problem`, `FileError`.
  init(_ file: ByteScanner) throws {
    let header = try Self.ofAnyFormat(file)
    guard header.storedWidth > 0, header.storedHeight > 0 else {
      throw Problem.malformed("is \(header.height) x \(header.width) pixels, by its header")
    }
    guard header.storedWidth <= Self.pixelLimit / header.storedHeight else {
      throw Problem.malformed(
        "is \(header.height) x \(header.width) pixels, by its header, more than the \(Self.pixelLimit) that are read"
      )
    }
    self = header
  }

  private static func ofAnyFormat(_ file: ByteScanner) throws -> PictureHeader {
    if try file.holds([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A], at: 0) { return try png(file) }
    if try file.holds([0xFF, 0xD8, 0xFF], at: 0) { return try jpeg(file) }
    if try file.holds("RIFF", at: 0) && file.holds("WEBP", at: 8) { return try webp(file) }
    if try file.holds("GIF87a", at: 0) || file.holds("GIF89a", at: 0) { return try gif(file) }
    if try file.holds("BM", at: 0) { return try bmp(file) }
    for start: [UInt8] in [
      [0x49, 0x49, 42, 0], [0x4D, 0x4D, 0, 42], [0x49, 0x49, 43, 0], [0x4D, 0x4D, 0, 43],
    ]
    where try file.holds(start, at: 0) { return try tiff(file) }
    if let format = try UnreadFormat(contentOf: file) { throw Problem.malformed(format.reason) }
    throw Problem.malformed(
      "is no picture of a known format (\(Format.allCases.map(\.rawValue).joined(separator: ", ")))")
  }
}
