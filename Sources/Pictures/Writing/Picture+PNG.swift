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
}
