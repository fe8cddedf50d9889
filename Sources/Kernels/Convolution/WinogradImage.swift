/// A grid of image pixels: all of them, or every other pixel of every other row.
struct WinogradImage<Pointer> {
  /// The first pixel of the grid.
  let pixels: Pointer
  let channels: Int
  /// The distances between pixels and between rows of the grid, in floats.
  let pixelStride: Int
  let rowStride: Int
  /// How many rows above and columns before a tile its inputs begin.
  let above: Int
  let before: Int

  init(
    _ pixels: Pointer, channels: Int, pixelStride: Int, rowStride: Int, above: Int = 0, before: Int = 0
  ) {
    self.pixels = pixels
    self.channels = channels
    self.pixelStride = pixelStride
    self.rowStride = rowStride
    self.above = above
    self.before = before
  }
}
