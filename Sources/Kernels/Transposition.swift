/// Rows for columns.
enum Transposition {
  /// Writes [columns, rows] from [rows, columns], on the calling thread; strides are from row to row.
  static func write(
    _ source: UnsafePointer<Float>, rows: Int, columns: Int, stride: Int,
    to target: UnsafeMutablePointer<Float>, stride targetStride: Int
  ) {
    let side = Vector.width
    var row = 0
    while row &+ side <= rows {
      let line = source + row &* stride
      var column = 0
      while column &+ side <= columns {
        writeBlock(
          line + column, stride: stride, to: target + (column &* targetStride &+ row), stride: targetStride)
        column &+= side
      }
      writeSingly(
        line + column, rows: side, columns: columns &- column, stride: stride,
        to: target + (column &* targetStride &+ row), stride: targetStride)
      row &+= side
    }
    writeSingly(
      source + row &* stride, rows: rows &- row, columns: columns, stride: stride, to: target + row,
      stride: targetStride)
  }

  private static func writeSingly(
    _ source: UnsafePointer<Float>, rows: Int, columns: Int, stride: Int,
    to target: UnsafeMutablePointer<Float>, stride targetStride: Int
  ) {
    for column in 0..<columns {
      for row in 0..<rows { target[column &* targetStride &+ row] = source[row &* stride &+ column] }
    }
  }

  /// Sixteen rows of sixteen. Interleaving row i with row i + 8, four times, exchanges rows and columns.
  @inline(__always)
  private static func writeBlock(
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
