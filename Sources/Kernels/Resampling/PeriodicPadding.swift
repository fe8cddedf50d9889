/// Images continued beyond their edges by what lies at the opposite ones: [B, H, W, C] -> [B, H + f + e, W + f + e, C], f
/// rows and columns before the first and e behind the last, PyTorch's `circular` padding.
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
      // The image's own row in one piece; on both sides pixel by pixel.
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

  /// Each pixel's gradient is the sum of its copies', in their order.
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

  /// The place in 0..<count that `place` is a copy of.
  private static func wrapped(_ place: Int, _ count: Int) -> Int {
    let rest = place % count
    return rest < 0 ? rest + count : rest
  }
}
