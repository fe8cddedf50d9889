/// Assembles images from square patches: [B, H, W, P, P, C] -> [B, H P, W P, C].
public struct PatchAssembly: Sendable {
  public let batch: Int
  /// The numbers of patches in a column and in a row of an image.
  public let rows: Int
  public let columns: Int
  /// The side of a patch in pixels.
  public let side: Int
  public let channels: Int

  public init(batch: Int, rows: Int, columns: Int, side: Int, channels: Int) {
    precondition(
      batch > 0 && rows > 0 && columns > 0 && side > 0 && channels > 0,
      "\(batch) images of \(rows) x \(columns) patches of \(side) x \(side) x \(channels)")
    self.batch = batch
    self.rows = rows
    self.columns = columns
    self.side = side
    self.channels = channels
  }

  public func forward(
    _ patches: UnsafePointer<Float>, images: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    forEachLine(pool) { patch, image, count in
      (images + image).update(from: patches + patch, count: count)
    }
  }

  /// Writes the patches' gradient.
  public func backward(
    _ imageGradient: UnsafePointer<Float>, patchGradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    forEachLine(pool) { patch, image, count in
      (patchGradient + patch).update(from: imageGradient + image, count: count)
    }
  }

  /// Calls `body` for each row of pixels of each patch, with its offset in the patches and in the images.
  @inline(__always)
  private func forEachLine(_ pool: ThreadPool, _ body: (_ patch: Int, _ image: Int, _ count: Int) -> Void) {
    let line = side * channels
    pool.parallel(batch * rows) { row, _ in
      for y in 0..<side {
        for column in 0..<columns {
          body(
            ((row &* columns &+ column) &* side &+ y) &* line,
            ((row &* side &+ y) &* columns &+ column) &* line, line)
        }
      }
    }
  }
}
