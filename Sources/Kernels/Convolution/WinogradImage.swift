/// Some pixels of images, on a grid: all of them, or every other one of every other row.
struct WinogradImage<Pointer> {
  /// The grid's first.
  let pixels: Pointer
  let channels: Int
  /// Floats from one pixel of the grid to the next, and from one row to the next.
  let pixelStride: Int
  let rowStride: Int
  /// Rows above a tile, and columns before it, with which its inputs begin.
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
