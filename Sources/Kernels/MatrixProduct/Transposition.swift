import CProcessor

/// Matrix transposition.
public enum Transposition {
  /// Writes [columns, rows] from [rows, columns], on the calling thread; strides are distances between rows.
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
        writeBlock(to: target + (column &* targetStride &+ row), stride: targetStride) {
          Vector(from: line + (column &+ $0 &* stride))
        }
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

  /// Writes some outputs of weights [taps, inputs, outputs] as [outputs, inputs, taps], the order of files, on the
  /// calling thread.
  public static func writeOutputsFirst(
    _ weights: UnsafePointer<Float>, taps: Int, inputs: Int, outputs: Int, some: Range<Int>,
    to target: UnsafeMutablePointer<Float>
  ) {
    let (side, size) = (Vector.width, inputs &* taps)
    let first = weights + some.lowerBound
    if size == 1 {
      target.update(from: first, count: some.count)
      return
    }
    // The offsets of the outputs of the next inputs and taps, in the target's order.
    var (input, tap) = (0, 0)
    func nextRows(_ count: Int) -> SIMD16<Int> {
      var rows = SIMD16<Int>()
      for index in 0..<count {
        rows[index] = (tap &* inputs &+ input) &* outputs
        tap &+= 1
        if tap == taps { (input, tap) = (input &+ 1, 0) }
      }
      return rows
    }
    var rows = nextRows(min(side, size))
    var place = 0
    while place < size {
      let count = min(side, size &- place)
      // The next rows are too far apart for the hardware prefetcher, so they are prefetched while these are written.
      let later = nextRows(min(side, size &- place &- count))
      var output = 0
      if count == side {
        while output &+ side <= some.count {
          for index in 0..<side { oboro_prefetch(first + (later[index] &+ output)) }
          writeBlock(to: target + (output &* size &+ place), stride: size) {
            Vector(from: first + (rows[$0] &+ output))
          }
          output &+= side
        }
      }
      while output < some.count {
        for index in 0..<count { target[output &* size &+ place &+ index] = first[rows[index] &+ output] }
        output &+= 1
      }
      rows = later
      place &+= side
    }
  }

  private static func writeSingly(
    _ source: UnsafePointer<Float>, rows: Int, columns: Int, stride: Int,
    to target: UnsafeMutablePointer<Float>, stride targetStride: Int
  ) {
    for column in 0..<columns {
      for row in 0..<rows { target[column &* targetStride &+ row] = source[row &* stride &+ column] }
    }
  }

  private typealias Rows = (
    Vector, Vector, Vector, Vector, Vector, Vector, Vector, Vector,
    Vector, Vector, Vector, Vector, Vector, Vector, Vector, Vector
  )

  /// Transposes a 16 x 16 block: interleaving row i with row i + 8, four times, swaps rows and columns.
  @inline(__always)
  private static func writeBlock(
    to target: UnsafeMutablePointer<Float>, stride targetStride: Int, row: (_ index: Int) -> Vector
  ) {
    let rows: Rows = (
      row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7), row(8), row(9), row(10), row(11),
      row(12),
      row(13), row(14), row(15)
    )
    let columns = interleaved(interleaved(interleaved(interleaved(rows))))
    @inline(__always) func store(_ column: Vector, _ index: Int) {
      column.store(to: target + index &* targetStride)
    }
    store(columns.0, 0)
    store(columns.1, 1)
    store(columns.2, 2)
    store(columns.3, 3)
    store(columns.4, 4)
    store(columns.5, 5)
    store(columns.6, 6)
    store(columns.7, 7)
    store(columns.8, 8)
    store(columns.9, 9)
    store(columns.10, 10)
    store(columns.11, 11)
    store(columns.12, 12)
    store(columns.13, 13)
    store(columns.14, 14)
    store(columns.15, 15)
  }

  /// Interleaves each row of the first half with its counterpart in the second. Unrolled by hand, so that all rows stay
  /// in registers.
  @inline(__always)
  private static func interleaved(_ r: Rows) -> Rows {
    (
      low(r.0, r.8), high(r.0, r.8), low(r.1, r.9), high(r.1, r.9), low(r.2, r.10), high(r.2, r.10),
      low(r.3, r.11), high(r.3, r.11), low(r.4, r.12), high(r.4, r.12), low(r.5, r.13), high(r.5, r.13),
      low(r.6, r.14), high(r.6, r.14), low(r.7, r.15), high(r.7, r.15)
    )
  }

  @inline(__always) private static func low(_ a: Vector, _ b: Vector) -> Vector {
    interleaved(a.lowHalf, b.lowHalf)
  }

  @inline(__always) private static func high(_ a: Vector, _ b: Vector) -> Vector {
    interleaved(a.highHalf, b.highHalf)
  }

  @inline(__always)
  private static func interleaved(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> Vector {
    var result = Vector()
    result.evenHalf = a
    result.oddHalf = b
    return result
  }
}
