import CGD
import Files

extension Picture {
  /// Writes the picture as a PNG file, whole or not at all. The same picture with the same texts always gives the same
  /// bytes.
  ///
  /// - Parameter texts: what the file says of the picture, by keywords of ASCII letters.
  /// - Throws: ``PictureError``, `FileError`.
  public func writePNG(to path: String, texts: [(keyword: String, text: String)] = []) throws {
    let canvas = try Canvas.exact(self, for: path)
    let bytes = try Canvas.bytes(for: path) { gdImagePngPtr(canvas.image, $0) }
    try WholeFile.write(PNGTextChunks.adding(texts, to: bytes), to: path)
  }
}
