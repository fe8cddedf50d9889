/// An exponential moving average: average = decay * average + (1 - decay) * value, in the arithmetic of ``AdamUpdate``.
public struct MovingAverage: Sendable {
  private let keep: Vector
  private let take: Vector

  public init(decay: Double) {
    keep = Vector(repeating: Float(decay))
    take = Vector(repeating: Float(1 - decay))
  }

  /// Updates the averages with `count` values.
  public func callAsFunction(
    _ average: UnsafeMutablePointer<Float>, of values: UnsafePointer<Float>, count: Int, pool: ThreadPool
  ) {
    pool.parallelPieces(count, of: 16_384) { range, _ in
      let (average, values) = (average + range.lowerBound, values + range.lowerBound)
      forEachVector(range.count) { at in
        keep.times(Vector(from: average + at), plus: take * Vector(from: values + at)).store(to: average + at)
      } rest: { at, rest in
        keep.times(
          Vector(from: average + at, count: rest), plus: take * Vector(from: values + at, count: rest)
        )
        .store(to: average + at, count: rest)
      }
    }
  }
}
