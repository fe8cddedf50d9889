/// The mean of each 2x2 block of pixels: [B, 2H, 2W, C] -> [B, H, W, C]. Sizes are those of the output.
public enum AveragePooling {
  public static func forward(
    _ x: UnsafePointer<Float>, batch: Int, height: Int, width: Int, channels: Int,
    output: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let quarter = Vector(repeating: 0.25)
    pool.parallel(batch * height) { row, _ in
      let top = x + row * 4 * width * channels
      let bottom = top + 2 * width * channels
      for column in 0..<width {
        let (left, right) = (2 &* column &* channels, (2 &* column &+ 1) &* channels)
        let target = output + (row &* width &+ column) &* channels
        forEachVector(channels) { c in
          let upper = Vector(from: top + left + c) + Vector(from: top + right + c)
          let lower = Vector(from: bottom + left + c) + Vector(from: bottom + right + c)
          ((upper + lower) * quarter).store(to: target + c)
        } rest: { c, rest in
          let upper = Vector(from: top + left + c, count: rest) + Vector(from: top + right + c, count: rest)
          let lower =
            Vector(from: bottom + left + c, count: rest) + Vector(from: bottom + right + c, count: rest)
          ((upper + lower) * quarter).store(to: target + c, count: rest)
        }
      }
    }
  }

  /// Each of the four pixels gets a quarter of their mean's gradient.
  public static func backward(
    _ outputGradient: UnsafePointer<Float>, batch: Int, height: Int, width: Int, channels: Int,
    inputGradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let quarter = Vector(repeating: 0.25)
    pool.parallel(batch * height) { row, _ in
      let top = inputGradient + row * 4 * width * channels
      let bottom = top + 2 * width * channels
      for column in 0..<width {
        let left = 2 &* column &* channels
        let source = outputGradient + (row &* width &+ column) &* channels
        forEachVector(channels) { c in
          let part = Vector(from: source + c) * quarter
          part.store(to: top + left + c)
          part.store(to: top + left + channels + c)
        } rest: { c, rest in
          let part = Vector(from: source + c, count: rest) * quarter
          part.store(to: top + left + c, count: rest)
          part.store(to: top + left + channels + c, count: rest)
        }
      }
      bottom.update(from: top, count: 2 * width * channels)
    }
  }
}
