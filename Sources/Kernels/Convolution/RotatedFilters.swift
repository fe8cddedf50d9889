/// Filters rotated by 180 degrees with inputs and outputs swapped, for the convolution that maps the gradient of an
/// output to that of the input.
enum RotatedFilters {
  /// Writes [taps, K, C], with the taps reversed, from weights [taps, C, K].
  static func write(
    _ weights: UnsafePointer<Float>, taps: Int, channels c: Int, outputChannels k: Int,
    to turned: UnsafeMutablePointer<Float>, pool: ThreadPool
  ) {
    let side = Vector.width
    let rowBlocks = (c + side - 1) / side
    pool.parallel(taps * rowBlocks) { task, _ in
      let tap = task / rowBlocks
      let first = task % rowBlocks * side
      let source = weights + (tap * c + first) * k
      let target = turned + ((taps - 1 - tap) * k * c + first)
      Transposition.write(source, rows: min(side, c - first), columns: k, stride: k, to: target, stride: c)
    }
  }
}
