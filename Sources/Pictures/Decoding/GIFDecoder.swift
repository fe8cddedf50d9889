import CGD
import Foundation

/// Decodes GIF files with libgd.
enum GIFDecoder {
  /// Decodes the file's first image, placed on its screen.
  ///
  /// - Throws: `PictureHeader.Problem` if libgd cannot decode it.
  static func decode(_ file: [UInt8], width: Int, height: Int) throws -> Raster {
    let scanner = ByteScanner(file)
    // libgd fills in missing data, so check for it here.
    guard try PictureHeader.gifDataEnd(scanner) <= file.count else { throw PictureHeader.Problem.endsEarly }
    let frame = try PictureHeader.gifFrame(scanner)
    // libgd rejects an image larger than its screen, so enlarge the screen.
    var grown = file
    for (place, value) in [width, width >> 8, height, height >> 8].enumerated() {
      grown[6 + place] = UInt8(truncatingIfNeeded: value)
    }
    let canvas = try canvas(of: grown)
    guard canvas.width == frame.width, canvas.height == frame.height,
      gdImagePaletteToTrueColor(canvas.image) != 0
    else { throw PictureHeader.Problem.malformed("no memory for \(height) x \(width) pixels") }
    // Zeros are transparent.
    let raster = try Raster(width: width, height: height, layout: .rgba)
    let samples = raster.samples
    // The transparent colour; -1, which matches no colour, if there is none.
    let hole = canvas.image.pointee.transparent
    for y in 0..<frame.height {
      guard let row = canvas.image.pointee.tpixels[y] else { continue }
      for x in 0..<frame.width {
        // 0xAARRGGBB, where A is 0 for opaque pixels.
        let pixel = row[x]
        guard pixel != hole, pixel >> 24 == 0 else { continue }
        let place = 4 * ((frame.top + y) * width + frame.left + x)
        for channel in 0..<3 {
          samples[place + channel] = UInt8(truncatingIfNeeded: pixel >> Int32(16 - 8 * channel))
        }
        samples[place + 3] = 255
      }
    }
    return raster
  }

  private static func canvas(of file: [UInt8]) throws -> Canvas {
    // In range because of the limit on file size.
    let (image, message) = DecoderMessage.capture {
      file.withUnsafeBytes { bytes in
        // libgd only reads the buffer.
        gdImageCreateFromGifPtr(Int32(bytes.count), UnsafeMutableRawPointer(mutating: bytes.baseAddress))
      }
    }
    guard let image else {
      throw PictureHeader.Problem.malformed(message ?? "libgd does not say why")
    }
    return Canvas(adopting: image)
  }
}

/// Captures the messages that libgd would otherwise print while decoding.
private enum DecoderMessage {
  private static let key = "oboro.decoder-message"

  /// libgd calls this on the decoding thread.
  private static let installed: Void = gdSetErrorMethod { _, format, arguments in
    guard let format, let arguments, Thread.current.threadDictionary[key] == nil else { return }
    var text = [CChar](repeating: 0, count: 256)
    vsnprintf(&text, text.count, format, arguments)
    Thread.current.threadDictionary[key] = String(
      decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// Runs `body`; returns its result and the first line of the first message.
  static func capture<Result>(_ body: () -> Result) -> (Result, String?) {
    _ = installed
    Thread.current.threadDictionary.removeObject(forKey: key)
    let result = body()
    let text = Thread.current.threadDictionary[key] as? String
    return (result, text?.split(whereSeparator: \.isNewline).first.map(String.init))
  }
}
