/// Periodic padding of images, PyTorch's `circular` mode: [B, H, W, C] -> [B, H + f + e, W + f + e, C], with f rows and
/// columns before the first and e after the last.
public enum PeriodicPadding {
  public static func forward(
    _ x: UnsafePointer<Float>, batch: Int, height: Int, width: Int, channels: Int, before: Int, behind: Int,
    output: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let (rows, columns) = (height + before + behind, width + before + behind)
    pool.parallel(batch * rows) { row, _ in
      let (image, y) = row.quotientAndRemainder(dividingBy: rows)
      let source = x + (image * height + wrapped(y - before, height)) * width * channels
      let target = output + row * columns * channels
      // The image's own row in one copy; the padding pixel by pixel.
      (target + before * channels).update(from: source, count: width * channels)
      for column in 0..<before {
        (target + column * channels).update(
          from: source + wrapped(column - before, width) * channels, count: channels)
      }
      for column in before + width..<columns {
        (target + column * channels).update(
          from: source + wrapped(column - before, width) * channels, count: channels)
      }
    }
  }

  /// The gradient of each pixel is the sum over its copies, in order.
  public static func backward(
    _ outputGradient: UnsafePointer<Float>, batch: Int, height: Int, width: Int, channels: Int, before: Int,
    behind: Int, inputGradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let (rows, columns) = (height + before + behind, width + before + behind)
    pool.parallel(batch * height) { row, _ in
      let (image, y) = row.quotientAndRemainder(dividingBy: height)
      let target = inputGradient + row * width * channels
      target.update(repeating: 0, count: width * channels)
      for copy in 0..<rows where wrapped(copy - before, height) == y {
        let source = outputGradient + (image * rows + copy) * columns * channels
        for column in 0..<columns {
          let pixel = target + wrapped(column - before, width) * channels
          for c in 0..<channels { pixel[c] += source[column &* channels &+ c] }
        }
      }
    }
  }

  /// `place` modulo `count`, in 0..<count.
  private static func wrapped(_ place: Int, _ count: Int) -> Int {
    let rest = place % count
    return rest < 0 ? rest + count : rest
  }
}
