import CGD
import Files

extension Picture {
  /// Writes the picture to a PNG file atomically. The same picture with the same texts always produces the same bytes.
  ///
  /// - Parameter texts: descriptions of the picture, with keywords of ASCII letters.
  /// - Throws: ``PictureError``, `FileError`.
  public func writePNG(to path: String, texts: [(keyword: String, text: String)] = []) throws {
    let canvas = try Canvas.exact(self, for: path)
    let bytes = try Canvas.bytes(for: path) { gdImagePngPtr(canvas.image, $0) }
    try WholeFile.write(PNGTextChunks.adding(texts, to: bytes), to: path)
  }
}
