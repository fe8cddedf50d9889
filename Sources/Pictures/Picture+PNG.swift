import CGD
import Files

extension Picture {
  /// Writes the picture as a PNG file, whole or not at all. The same picture always gives the same bytes.
  ///
  /// - Throws: ``PictureError``, `FileError`.
  public func writePNG(to path: String) throws {
    let canvas = try Canvas.exact(self, for: path)
    try WholeFile.write(try Canvas.bytes(for: path) { gdImagePngPtr(canvas.image, $0) }, to: path)
  }

  /// Reads a PNG file. Transparency is ignored; a palette of greys gives one channel, all else three.
  ///
  /// - Throws: ``PictureError`` for what is no PNG picture, `FileError` for what cannot be read.
  public static func readPNG(from path: String) throws -> Picture {
    let bytes = try WholeFile.read(path)
    guard let size = Int32(exactly: bytes.count) else {
      throw PictureError(path: path, reason: "is larger than 2 GiB")
    }
    let image = bytes.withUnsafeBytes { buffer in
      // libgd only reads it.
      buffer.baseAddress.flatMap { gdImageCreateFromPngPtr(size, UnsafeMutableRawPointer(mutating: $0)) }
    }
    guard let image else { throw PictureError(path: path, reason: "is no PNG picture") }
    return Canvas(adopting: image).picture
  }
}
