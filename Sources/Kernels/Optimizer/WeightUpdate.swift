/// Updates the weights of an operation that computes their gradient in blocks.
public struct WeightUpdate {
  private let step: AdamStep
  private let values: AdamUpdate.Values
  /// The memory that an update reads and writes, each pointer at the first weight.
  private let memories: [UnsafePointer<Float>]

  /// - Parameter values: the values from the operation's first weight on.
  public init(_ step: AdamStep, of values: AdamUpdate.Values) {
    (self.step, self.values) = (step, values)
    let all = [values.weights, values.firstMoment, values.secondMoment]
    memories = (values.ema == values.weights ? all : all + [values.ema]).map { UnsafePointer($0) }
  }

  /// Updates weights in runs of `count`, whose gradients are contiguous.
  ///
  /// - Parameter offset: the offset of a run in the weights.
  @inline(__always)
  func callAsFunction(
    _ gradient: UnsafePointer<Float>, runs: Int, of count: Int, at offset: (_ run: Int) -> Int
  ) {
    for run in 0..<min(Self.runsAhead, runs) { fetch(offset(run), count) }
    for run in 0..<runs {
      if run &+ Self.runsAhead < runs { fetch(offset(run &+ Self.runsAhead), count) }
      let place = values.advanced(by: offset(run))
      step(place, to: place, gradient: gradient + run &* count, count: count)
    }
  }

  private static var runsAhead: Int { 16 }

  /// Prefetches a run without filling the larger caches.
  @inline(__always)
  private func fetch(_ offset: Int, _ count: Int) {
    for memory in memories { (memory + offset).prefetchPassing(count) }
  }
}
