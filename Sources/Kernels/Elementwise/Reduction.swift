/// Sums whose order depends on the shape alone: over pieces of fixed size, whose sums are then added in order.
public enum Reduction {
  /// The number of rows that a task of `addColumnSums` sums.
  private static let rowsPerPiece = 512

  /// sum[c] += Σ over r of values[r, c], for `values` [rows, columns].
  public static func addColumnSums(
    _ values: UnsafePointer<Float>, rows: Int, columns: Int, to sum: UnsafeMutablePointer<Float>,
    pool: ThreadPool
  ) {
    let pieces = (rows + rowsPerPiece - 1) / rowsPerPiece
    let partial = FloatMemory.allocate(pieces * columns)
    defer { partial.deallocate() }
    pool.parallelPieces(rows, of: rowsPerPiece) { piece, _ in
      let target = partial.baseAddress! + piece.lowerBound / rowsPerPiece * columns
      target.update(from: values + piece.lowerBound * columns, count: columns)
      for row in piece.dropFirst() { add(values + row * columns, to: target, count: columns) }
    }
    for piece in 0..<pieces { add(partial.baseAddress! + piece * columns, to: sum, count: columns) }
  }

  /// Accumulates Σ over p of pieces[p, i] in sum[i], in the order of the pieces.
  static func addPieces(
    _ partial: UnsafePointer<Float>, pieces: Int, count: Int, to sum: GradientSum, pool: ThreadPool
  ) {
    pool.parallelPieces(count, of: 16_384) { range, _ in
      let (target, first) = (sum.memory + range.lowerBound, sum.isBegun ? 0 : 1)
      if !sum.isBegun { target.update(from: partial + range.lowerBound, count: range.count) }
      for piece in first..<pieces {
        add(partial + piece * count + range.lowerBound, to: target, count: range.count)
      }
    }
  }

  /// target += values.
  @inline(__always)
  static func add(_ values: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, count: Int) {
    forEachVector(count) { index in
      (Vector(from: target + index) + Vector(from: values + index)).store(to: target + index)
    } rest: { index, rest in
      for lane in index..<index &+ rest { target[lane] += values[lane] }
    }
  }

  /// Σ a b over `count` values.
  @inline(__always)
  static func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Float {
    var sum = Vector(repeating: 0)
    forEachVector(count) { index in
      sum = Vector(from: a + index).times(Vector(from: b + index), plus: sum)
    } rest: { index, rest in
      sum = Vector(from: a + index, count: rest).times(Vector(from: b + index, count: rest), plus: sum)
    }
    return sum.total
  }

  /// Σ a b, or Σ a without b, in double precision: pieces of 65,536 values are summed in order, then their sums in
  /// order.
  public static func sum(
    _ a: UnsafePointer<Float>, times b: UnsafePointer<Float>? = nil, count: Int, pool: ThreadPool
  ) -> Double {
    let size = 65_536
    var pieces = [Double](repeating: 0, count: (count + size - 1) / size)
    pieces.withUnsafeMutableBufferPointer { pieces in
      pool.parallelPieces(count, of: size) { range, _ in
        // Eight sums side by side, so that they can be one vector.
        var sums = SIMD8<Double>(repeating: 0)
        var index = range.lowerBound
        func part(_ values: UnsafePointer<Float>) -> SIMD8<Double> {
          SIMD8<Double>(UnsafeRawPointer(values + index).loadUnaligned(as: SIMD8<Float>.self))
        }
        while index + 8 <= range.upperBound {
          sums += b.map { part(a) * part($0) } ?? part(a)
          index += 8
        }
        for rest in index..<range.upperBound {
          sums[rest - index] += Double(a[rest]) * (b.map { Double($0[rest]) } ?? 1)
        }
        pieces[range.lowerBound / size] = sums.sum()
      }
    }
    return pieces.reduce(0, +)
  }

  /// Σ values² of each of `ranges`, in double precision, each summed in order.
  public static func sumsOfSquares(
    _ values: UnsafePointer<Float>, in ranges: [Range<Int>], pool: ThreadPool
  ) -> [Double] {
    [Double](unsafeUninitializedCapacity: ranges.count) { sums, count in
      let sums = UnsafeMutableBufferPointer(rebasing: sums[..<ranges.count])
      pool.parallelPieces(ranges.count, of: 16) { pieces, _ in
        for index in pieces { sums[index] = sumOfSquares(values, ranges[index]) }
      }
      count = ranges.count
    }
  }

  /// Σ values², in double precision: pieces of 65,536 values are summed in order, then their sums in order.
  public static func sumOfSquares(_ values: UnsafePointer<Float>, count: Int, pool: ThreadPool) -> Double {
    let size = 65_536
    let ranges = stride(from: 0, to: count, by: size).map { $0..<min($0 + size, count) }
    return sumsOfSquares(values, in: ranges, pool: pool).reduce(0, +)
  }

  /// Σ values² of a range, on one thread.
  static func sumOfSquares(_ values: UnsafePointer<Float>, _ range: Range<Int>) -> Double {
    // Eight sums side by side, so that they can be one vector.
    var sums = SIMD8<Double>(repeating: 0)
    var index = range.lowerBound
    while index + 8 <= range.upperBound {
      let part = SIMD8<Double>(UnsafeRawPointer(values + index).loadUnaligned(as: SIMD8<Float>.self))
      sums += part * part
      index += 8
    }
    for rest in index..<range.upperBound { sums[rest - index] += Double(values[rest]) * Double(values[rest]) }
    return sums.sum()
  }

  /// The largest magnitude among `count` values; NaN if one of them is.
  public static func largestMagnitude(_ values: UnsafePointer<Float>, count: Int, pool: ThreadPool) -> Float {
    let size = 65_536
    let pieces = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: (count + size - 1) / size)
    defer { pieces.deallocate() }
    pool.parallelPieces(count, of: size) { range, _ in
      // Without the sign, the bits of floats are ordered like the floats, with NaNs above infinity.
      func bits(_ vector: Vector) -> SIMD16<UInt32> {
        unsafeBitCast(vector, to: SIMD16<UInt32>.self) & SIMD16(repeating: 0x7FFF_FFFF)
      }
      var largest = SIMD16<UInt32>(repeating: 0)
      let first = values + range.lowerBound
      forEachVector(range.count) { index in
        largest = pointwiseMax(largest, bits(Vector(from: first + index)))
      } rest: { index, rest in
        largest = pointwiseMax(largest, bits(Vector(from: first + index, count: rest)))
      }
      pieces[range.lowerBound / size] = largest.max()
    }
    return Float(bitPattern: pieces.max() ?? 0)
  }
}
