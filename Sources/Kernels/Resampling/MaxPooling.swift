/// The maximum of each 2x2 block of pixels: [B, 2H, 2W, C] -> [B, H, W, C]. Sizes are those of the output. NaN counts
/// as largest.
public enum MaxPooling {
  public static func forward(
    _ x: UnsafePointer<Float>, batch: Int, height: Int, width: Int, channels: Int,
    output: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    pool.parallel(batch * height) { row, _ in
      let top = x + row * 4 * width * channels
      let bottom = top + 2 * width * channels
      let target = output + row * width * channels
      for column in 0..<width {
        let (left, right) = (2 &* column &* channels, (2 &* column &+ 1) &* channels)
        forEachVector(channels) { c in
          Vector(from: top + left + c).orLarger(Vector(from: top + right + c))
            .orLarger(Vector(from: bottom + left + c)).orLarger(Vector(from: bottom + right + c))
            .store(to: target + column &* channels + c)
        } rest: { c, rest in
          Vector(from: top + left + c, count: rest).orLarger(Vector(from: top + right + c, count: rest))
            .orLarger(Vector(from: bottom + left + c, count: rest))
            .orLarger(Vector(from: bottom + right + c, count: rest))
            .store(to: target + column &* channels + c, count: rest)
        }
      }
    }
  }

  /// The gradient goes to the first maximum of the four pixels in row-major order; the others get 0.
  public static func backward(
    _ x: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>, batch: Int, height: Int, width: Int,
    channels: Int, inputGradient: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let zero = Vector(repeating: 0)
    pool.parallel(batch * height) { row, _ in
      let above = row * 4 * width * channels
      let below = above + 2 * width * channels
      for column in 0..<width {
        let (left, right) = (2 &* column &* channels, (2 &* column &+ 1) &* channels)
        @inline(__always)
        func shares(_ four: (Vector, Vector, Vector, Vector), _ dy: Vector) -> (
          Vector, Vector, Vector, Vector
        ) {
          let second = four.1.isAbove(four.0)
          let upper = four.0.replacing(with: four.1, where: second)
          let third = four.2.isAbove(upper)
          let three = upper.replacing(with: four.2, where: third)
          let fourth = four.3.isAbove(three)
          // A pixel exceeded by a later one gets nothing.
          let last = zero.replacing(with: dy, where: fourth)
          let before = dy.replacing(with: zero, where: fourth)
          let beforeThird = before.replacing(with: zero, where: third)
          return (
            beforeThird.replacing(with: zero, where: second),
            zero.replacing(with: beforeThird, where: second),
            zero.replacing(with: before, where: third), last
          )
        }
        let gradient = outputGradient + (row &* width &+ column) &* channels
        forEachVector(channels) { c in
          let places = (above &+ left &+ c, above &+ right &+ c, below &+ left &+ c, below &+ right &+ c)
          let parts = shares(
            (
              Vector(from: x + places.0), Vector(from: x + places.1), Vector(from: x + places.2),
              Vector(from: x + places.3)
            ), Vector(from: gradient + c))
          parts.0.store(to: inputGradient + places.0)
          parts.1.store(to: inputGradient + places.1)
          parts.2.store(to: inputGradient + places.2)
          parts.3.store(to: inputGradient + places.3)
        } rest: { c, rest in
          let places = (above &+ left &+ c, above &+ right &+ c, below &+ left &+ c, below &+ right &+ c)
          let parts = shares(
            (
              Vector(from: x + places.0, count: rest), Vector(from: x + places.1, count: rest),
              Vector(from: x + places.2, count: rest), Vector(from: x + places.3, count: rest)
            ), Vector(from: gradient + c, count: rest))
          parts.0.store(to: inputGradient + places.0, count: rest)
          parts.1.store(to: inputGradient + places.1, count: rest)
          parts.2.store(to: inputGradient + places.2, count: rest)
          parts.3.store(to: inputGradient + places.3, count: rest)
        }
      }
    }
  }
}

extension Vector {
  /// Where this is larger than `other` or NaN.
  @inline(__always) fileprivate func isAbove(_ other: Vector) -> SIMDMask<SIMD16<Int32>> {
    (self .> other) .| (self .!= self)
  }

  @inline(__always) fileprivate func orLarger(_ other: Vector) -> Vector {
    replacing(with: other, where: other.isAbove(self))
  }
}
