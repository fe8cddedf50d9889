/// The header of an image file, read before anything is decoded or allocated.
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
  /// Whether the image can only contain greys, according to its colour type or palette.
  public let isGrey: Bool
  /// The EXIF orientation of the image (tag 0x0112): 1 for upright, up to 8; above 4, width and height are exchanged.
  public let orientation: Int

  init(_ format: Format, _ width: Int, _ height: Int, isGrey: Bool, orientation: Int = 1) {
    self.format = format
    storedWidth = width
    storedHeight = height
    self.isGrey = isGrey
    self.orientation = orientation
  }

  /// Pixels as displayed.
  public var width: Int { orientation > 4 ? storedHeight : storedWidth }
  public var height: Int { orientation > 4 ? storedWidth : storedHeight }

  /// The maximum number of pixels: larger images are rejected before any memory is allocated. 8192 x 8192 pixels need
  /// 256 MB during decoding.
  public static let pixelLimit = 1 << 26

  /// Why bytes are not a valid header.
  enum Problem: Error, Equatable {
    /// More bytes are needed.
    case endsEarly
    case malformed(String)
  }

  /// Parses the header of a file and detects its format from the contents, regardless of the file's name.
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
