/// Processes images of C channels in whole vectors for any C.
///
/// With channels last and C floats per pixel, vector and pixel boundaries coincide every lcm(C, 16) floats, the period.
/// A table with one entry per channel, repeated to that length, aligns with the image in memory, so even C = 28 uses
/// whole vectors.
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

  /// Reduces `expanded`, which holds a sum for each position of the period, to `table` [C].
  func fold(_ expanded: UnsafePointer<Float>, into table: UnsafeMutablePointer<Float>) {
    table.update(from: expanded, count: channels)
    for index in 1..<max(length / channels, 1) {
      Reduction.add(expanded + index * channels, to: table, count: channels)
    }
  }

  /// Iterates over `count` floats (a multiple of C) in vectors: `whole` receives the offset in the image and the
  /// position in the period. The remainder after the last full period is passed to `single`, float by float.
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
