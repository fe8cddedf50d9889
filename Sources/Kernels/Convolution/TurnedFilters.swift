/// Filters turned by 180 degrees, with inputs and outputs exchanged: those of the convolution that turns an output's
/// gradient into its input's.
enum TurnedFilters {
  /// Writes [taps, K, C], the taps in reverse, from weights [taps, C, K].
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
      if first + side <= c {
        var column = 0
        while column + side <= k {
          transposeBlock(source + column, stride: k, to: target + column * c, stride: c)
          column += side
        }
        transpose(source + column, side, k - column, stride: k, to: target + column * c, stride: c)
      } else {
        transpose(source, c - first, k, stride: k, to: target, stride: c)
      }
    }
  }

  private static func transpose(
    _ source: UnsafePointer<Float>, _ rows: Int, _ columns: Int, stride: Int,
    to target: UnsafeMutablePointer<Float>, stride targetStride: Int
  ) {
    for column in 0..<columns {
      for row in 0..<rows { target[column &* targetStride &+ row] = source[row &* stride &+ column] }
    }
  }

  /// Sixteen rows of sixteen. Interleaving row i with row i + 8, four times, exchanges rows and columns.
  @inline(__always)
  private static func transposeBlock(
    _ source: UnsafePointer<Float>, stride: Int, to target: UnsafeMutablePointer<Float>,
    stride targetStride: Int
  ) {
    withUnsafeTemporaryAllocation(of: Vector.self, capacity: 32) { memory in
      let (even, odd) = (memory.baseAddress!, memory.baseAddress! + 16)
      for row in 0..<16 { even[row] = Vector(from: source + row &* stride) }
      for (from, to) in [(even, odd), (odd, even), (even, odd), (odd, even)] {
        for row in 0..<8 {
          to[2 &* row] = interleaved(from[row].lowHalf, from[row &+ 8].lowHalf)
          to[2 &* row &+ 1] = interleaved(from[row].highHalf, from[row &+ 8].highHalf)
        }
      }
      for row in 0..<16 { even[row].store(to: target + row &* targetStride) }
    }
  }

  @inline(__always)
  private static func interleaved(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> Vector {
    var result = Vector()
    result.evenHalf = a
    result.oddHalf = b
    return result
  }
}
