import CPictureCodecs
import Files
import Foundation

/// An image file that has been read but not decoded.
public struct ImageFile: Sendable {
  /// The path as shown in errors.
  public let path: String
  public let header: PictureHeader
  private let bytes: [UInt8]

  /// Larger files are not read: this is the size of an uncompressed image with the maximum number of pixels.
  private static let sizeLimit = 4 * PictureHeader.pixelLimit + 4096

  public init(_ path: String) throws { try self.init(RawPath(path)) }

  /// Reads the file at `path`.
  ///
  /// - Throws: ``PictureError`` if the file is not an image, or one that is too large; `FileError` if it cannot be
  ///   read.
  public init(_ path: RawPath) throws {
    self.path = "\(path)"
    let file = try FileDescriptor(path, O_RDONLY | O_NONBLOCK)
    _ = try Self.size(of: file)
    let bytes = try file.readToEnd()
    self.bytes = bytes
    header = try Self.naming(self.path) { try PictureHeader(ByteScanner(bytes)) }
  }

  /// An image file in memory, referred to as `path` in errors.
  ///
  /// - Throws: ``PictureError`` if the bytes are not an image, or one that is too large.
  public init(_ bytes: [UInt8], path: String) throws {
    self.path = path
    self.bytes = bytes
    header = try Self.naming(path) { try PictureHeader(ByteScanner(bytes)) }
  }

  /// Reads the header of the file at `path`, and no more of the file than necessary.
  ///
  /// - Throws: like the initialiser.
  public static func header(of path: RawPath) throws -> PictureHeader {
    let file = try FileDescriptor(path, O_RDONLY | O_NONBLOCK)
    let size = try size(of: file)
    let scanner = ByteScanner(file, size: size)
    return try naming("\(path)") { try PictureHeader(scanner) }
  }

  public static func header(of path: String) throws -> PictureHeader { try header(of: RawPath(path)) }

  private static func size(of file: borrowing FileDescriptor) throws -> Int {
    let status = try file.status()
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw PictureError(path: file.path, reason: "is no plain file")
    }
    let size = Int(status.st_size)
    if size == 0 { throw PictureError(path: file.path, reason: "is empty") }
    guard size <= sizeLimit else {
      throw PictureError(
        path: file.path, reason: "has \(size) bytes, more than the \(sizeLimit) that are read")
    }
    return size
  }

  /// Runs `body`, converting header problems to errors about `path`.
  private static func naming<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch PictureHeader.Problem.endsEarly {
      throw PictureError(path: path, reason: "ends inside its header")
    } catch PictureHeader.Problem.malformed(let reason) {
      throw PictureError(path: path, reason: reason)
    }
  }
}

extension ImageFile {
  /// Decodes the image, oriented for display; only the first one if there are several.
  ///
  /// Transparent pixels show `background`. 16-bit samples are truncated to their upper 8 bits. Gamma and colour
  /// profiles are not applied. A single channel is 0.299 red + 0.587 green + 0.114 blue, rounded (ITU-R BT.601).
  ///
  /// - Parameter channels: 1 for grey, 3 for colour.
  /// - Throws: ``PictureError`` for a damaged image. A decoder warning counts as damage if pixels may be missing.
  public func decode(channels: Int = 3, over background: PictureColour = .white) throws -> Picture {
    precondition(channels == 1 || channels == 3, "\(channels) channels: a picture has 1 or 3")
    do {
      let raster = try raster()
      guard raster.width == header.storedWidth, raster.height == header.storedHeight else {
        throw PictureHeader.Problem.malformed(
          "holds \(raster.height) x \(raster.width) pixels, its header says \(header.storedHeight) x "
            + "\(header.storedWidth)")
      }
      return raster.flattened(channels: channels, over: background).oriented(header.orientation)
    } catch PictureHeader.Problem.endsEarly {
      throw PictureError(path: path, reason: "is a \(header.format.rawValue) picture whose data ends early")
    } catch PictureHeader.Problem.malformed(let reason) {
      throw PictureError(
        path: path, reason: "is a damaged or unusual \(header.format.rawValue) picture: \(reason)")
    }
  }

  private func raster() throws -> Raster {
    let limit = PictureHeader.pixelLimit
    switch header.format {
    case .png: return try Raster(oboro_decode_png(bytes, bytes.count, limit), four: .rgba)
    case .jpeg: return try Raster(oboro_decode_jpeg(bytes, bytes.count, limit), four: .invertedInks)
    case .tiff: return try Raster(oboro_decode_tiff(bytes, bytes.count, limit), four: .rgbaMultiplied)
    case .webp: return try WebPDecoder.decode(bytes, width: header.storedWidth, height: header.storedHeight)
    case .gif: return try GIFDecoder.decode(bytes, width: header.storedWidth, height: header.storedHeight)
    case .bmp: return try BMPDecoder(bytes).decode()
    }
  }
}
