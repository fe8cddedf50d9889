/// How an image of C channels is walked in whole vectors, whatever C is.
///
/// Channels last, C floats a pixel: after lcm(C, 16) floats, vectors and pixels meet again. A table with one entry a
/// channel, repeated to that length (the period), lines up with the image in memory; so C = 28 runs at full width.
struct ChannelPeriod {
  let channels: Int
  /// lcm(C, 16) floats.
  let length: Int

  init(channels: Int) {
    self.channels = channels
    var (a, b) = (channels, Vector.width)
    while b != 0 { (a, b) = (b, a % b) }
    length = channels / a * Vector.width
  }

  /// Repeats `table` [C] to the period's length.
  func expand(_ table: UnsafePointer<Float>, into expanded: UnsafeMutablePointer<Float>) {
    for index in 0..<length / channels { (expanded + index * channels).update(from: table, count: channels) }
  }

  /// Sums `expanded`, which holds a sum for each place of the period, into `table` [C].
  func fold(_ expanded: UnsafePointer<Float>, into table: UnsafeMutablePointer<Float>) {
    table.update(from: expanded, count: channels)
    for index in 1..<max(length / channels, 1) {
      Reduction.add(expanded + index * channels, to: table, count: channels)
    }
  }

  /// Walks `count` floats (a multiple of C) in vectors: `whole` gets the place in the image and the place in the
  /// period. What no full period covers goes to `single`, float by float.
  @inline(__always)
  func forEach(
    _ count: Int, whole: (_ index: Int, _ place: Int) -> Void, single: (_ index: Int, _ place: Int) -> Void
  ) {
    var index = 0
    while index &+ length <= count {
      var place = 0
      while place < length {
        whole(index &+ place, place)
        place &+= Vector.width
      }
      index &+= length
    }
    for rest in 0..<(count &- index) { single(index &+ rest, rest) }
  }
}
