/// Doubles height and width by repeating each pixel: [B, H, W, C] -> [B, 2H, 2W, C].
public enum NearestUpsampling {
  public static func forward(
    _ x: UnsafePointer<Float>, batch: Int, height: Int, width: Int, channels: Int,
    output: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    pool.parallel(batch * height) { row, _ in
      let source = x + row * width * channels
      let target = output + row * 4 * width * channels
      for column in 0..<width {
        let pixel = source + column &* channels
        (target + 2 &* column &* channels).update(from: pixel, count: channels)
        (target + (2 &* column &+ 1) &* channels).update(from: pixel, count: channels)
      }
      (target + 2 * width * channels).update(from: target, count: 2 * width * channels)
    }
  }

  /// The gradient of a pixel is the sum of the gradients of its four copies.
  public static func backward(
    _ outputGradient: UnsafePointer<Float>, batch: Int, height: Int, width: Int, channels: Int,
    inputGradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    pool.parallel(batch * height) { row, _ in
      let top = outputGradient + row * 4 * width * channels
      let bottom = top + 2 * width * channels
      for column in 0..<width {
        let target = inputGradient + (row &* width &+ column) &* channels
        let (left, right) = (2 &* column &* channels, (2 &* column &+ 1) &* channels)
        for c in 0..<channels {
          target[c] = (top[left &+ c] + top[right &+ c]) + (bottom[left &+ c] + bottom[right &+ c])
        }
      }
    }
  }
}
