import CGD
import Files
import Foundation

/// A picture's file, read but not decoded.
public struct ImageFile: Sendable {
  public let path: String
  public let header: PictureHeader
  private let bytes: [UInt8]

  /// Files beyond this are not read: as many bytes as an uncompressed picture of the most pixels has.
  private static let sizeLimit = 4 * PictureHeader.pixelLimit + 4096
  /// Where nearly all files have had their header.
  private static let headerSize = 1 << 14

  /// Reads the file at `path`.
  ///
  /// - Throws: ``PictureError`` for what is no picture, or too large a one; `FileError` for what cannot be read.
  public init(_ path: String) throws {
    try Self.requireSize(path)
    self.path = path
    bytes = try WholeFile.read(path)
    header = try Self.header(bytes, path)
  }

  /// What the file at `path` says of itself; of most files only the beginning is read.
  ///
  /// - Throws: as the initialiser.
  public static func header(of path: String) throws -> PictureHeader {
    try requireSize(path)
    let start = try WholeFile.read(path, upTo: headerSize)
    do {
      return try PictureHeader(start)
    } catch PictureHeader.Problem.endsEarly where start.count == headerSize {
      return try header(WholeFile.read(path), path)
    } catch {
      return try header(start, path)
    }
  }

  private static func requireSize(_ path: String) throws {
    let size = try WholeFile.size(path)
    guard size <= sizeLimit else {
      throw PictureError(path: path, reason: "has \(size) bytes, more than the \(sizeLimit) that are read")
    }
  }

  private static func header(_ bytes: [UInt8], _ path: String) throws -> PictureHeader {
    if bytes.isEmpty { throw PictureError(path: path, reason: "is empty") }
    do {
      return try PictureHeader(bytes)
    } catch PictureHeader.Problem.endsEarly {
      throw PictureError(path: path, reason: "ends inside its header")
    } catch PictureHeader.Problem.malformed(let reason) {
      throw PictureError(path: path, reason: reason)
    }
  }
}

extension ImageFile {
  /// The picture, turned as it says that it is to be shown; the first one of an animation.
  ///
  /// What is transparent shows `background`, mixed with libgd's 128 levels of transparency. Samples of 16 bits lose
  /// their lower 8. One channel is 0.299 red + 0.587 green + 0.114 blue, rounded (ITU-R BT.601).
  ///
  /// - Parameter channels: 1 for grey, 3 for colour.
  /// - Throws: ``PictureError`` for a damaged picture. What a decoder only warns of, such as missing data, is damage.
  public func decode(channels: Int = 3, over background: PictureColour = .white) throws -> Picture {
    precondition(channels == 1 || channels == 3, "\(channels) channels: a picture has 1 or 3")
    try requireAllData()
    let canvas = try openCanvas()
    guard canvas.width == header.storedWidth, canvas.height == header.storedHeight else {
      throw PictureError(
        path: path,
        reason: "holds \(canvas.height) x \(canvas.width) pixels, its header says \(header.storedHeight) x "
          + "\(header.storedWidth)")
    }
    return try canvas.flattened(channels: channels, over: background, path).oriented(header.orientation)
  }

  private func openCanvas() throws -> Canvas {
    let bytes = try decodableBytes()
    // In range by the limit on the file's size.
    let size = Int32(bytes.count)
    let (image, message) = DecoderMessage.capture {
      bytes.withUnsafeBytes { buffer -> gdImagePtr? in
        // libgd only reads it.
        let data = UnsafeMutableRawPointer(mutating: buffer.baseAddress)
        return switch header.format {
        case .png: gdImageCreateFromPngPtr(size, data)
        case .jpeg: gdImageCreateFromJpegPtrEx(size, data, 0)
        case .webp: gdImageCreateFromWebpPtr(size, data)
        case .gif: gdImageCreateFromGifPtr(size, data)
        case .bmp: gdImageCreateFromBmpPtr(size, data)
        }
      }
    }
    let canvas = image.map(Canvas.init(adopting:))
    // libgd knows of no reason for WebP and guesses one. Of JPEG it only warns, and fills up with grey.
    let why = header.format == .webp ? "" : message.map { ": \($0)" } ?? ""
    guard let canvas, header.format != .jpeg || message == nil else {
      throw damage(why)
    }
    return canvas
  }

  /// What the decoder is given.
  private func decodableBytes() throws -> [UInt8] {
    guard header.format == .png else { return bytes }
    do {
      return try PNGChunks.essential(of: bytes)
    } catch PictureHeader.Problem.malformed(let reason) {
      throw damage(": \(reason)")
    }
  }

  private func damage(_ why: String) -> PictureError {
    PictureError(path: path, reason: "is a damaged or unusual \(header.format.rawValue) picture\(why)")
  }

  /// Formats without checksums whose decoders fill up what is missing.
  private func requireAllData() throws {
    let end = (try? header.endOfData(bytes)) ?? Int.max
    guard end <= bytes.count else {
      throw PictureError(path: path, reason: "is a \(header.format.rawValue) picture whose data ends early")
    }
  }
}

/// What libgd says while it decodes, which it would otherwise print.
private enum DecoderMessage {
  private static let key = "oboro.decoder-message"

  /// Messages come on the thread that decodes.
  private static let installed: Void = gdSetErrorMethod { _, format, arguments in
    guard let format, let arguments, Thread.current.threadDictionary[key] == nil else { return }
    var text = [CChar](repeating: 0, count: 256)
    vsnprintf(&text, text.count, format, arguments)
    Thread.current.threadDictionary[key] = String(
      decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// Runs `body`; returns what it returns, and the first line of the first message.
  static func capture<Result>(_ body: () -> Result) -> (Result, String?) {
    _ = installed
    Thread.current.threadDictionary.removeObject(forKey: key)
    let result = body()
    let text = Thread.current.threadDictionary[key] as? String
    return (result, text?.split(whereSeparator: \.isNewline).first.map(String.init))
  }
}
