import CProcessor

/// Products of small matrices that are already in cache, without the packing of operands that a library does.
enum TileProduct {
  /// The number of rows computed together.
  static let rowsTogether = 8

  /// output[r, c] = initial[r, c] + Σ over k of left[r, k] right[k, c].
  ///
  /// - Parameters:
  ///   - rows: a multiple of 8.
  ///   - depth: in factors, as are the strides of `left` and `right`.
  ///   - columns: a multiple of 16.
  ///   - left: element (r, k) is at `r * rowStride + k * depthStride`.
  ///   - initial: rows `initialStride` floats apart, or a single row for all if that is 0; may be `output`. nil stands
  ///     for zeros.
  static func compute<Factor: TileFactor>(
    rows: Int, depth: Int, columns: Int, left: UnsafePointer<Factor>, rowStride: Int, depthStride: Int,
    right: UnsafePointer<Factor>, rightStride: Int, initial: UnsafePointer<Float>? = nil,
    initialStride: Int = 0, output: UnsafeMutablePointer<Float>, outputStride: Int
  ) {
    var row = 0
    while row < rows {
      let factors = left + row &* rowStride
      let start = initial.map { $0 + row &* initialStride }
      let target = output + row &* outputStride
      var column = 0
      guard oboro_has_wide_registers() else {
        // Of sixteen registers of eight floats, four rows of one vector take eight.
        while column < columns {
          for half in 0..<2 {
            let rows = (factors + 4 &* half &* rowStride, target + (4 &* half &* outputStride &+ column))
            let start = start.map { $0 + (4 &* half &* initialStride &+ column) }
            var sums = FourRows(start, stride: initialStride)
            var (pairs, source) = ((rows.0, rows.0 + 2 &* rowStride), right + column)
            for _ in 0..<depth {
              sums.add(Factor.line(from: source), times: pairs, stride: rowStride)
              pairs = (pairs.0 + depthStride, pairs.1 + depthStride)
              source += rightStride
            }
            sums.store(to: rows.1, stride: outputStride)
          }
          column &+= Vector.width
        }
        row &+= rowsTogether
        continue
      }
      // Two vectors at a time: 16 accumulators hide the latency of the multiply-adds, and each factor is read once for
      // both.
      while column &+ 2 &* Vector.width <= columns {
        var first = EightRows(start.map { $0 + column }, stride: initialStride)
        var second = EightRows(start.map { $0 + (column &+ Vector.width) }, stride: initialStride)
        var pairs = RowPairs(factors, stride: rowStride)
        var source = right + column
        for _ in 0..<depth {
          let (a, b) = (Factor.line(from: source), Factor.line(from: source + Vector.width))
          first.add(a, times: pairs, stride: rowStride)
          second.add(b, times: pairs, stride: rowStride)
          pairs.advance(by: depthStride)
          source += rightStride
        }
        first.store(to: target + column, stride: outputStride)
        second.store(to: target + (column &+ Vector.width), stride: outputStride)
        column &+= 2 &* Vector.width
      }
      if column < columns {
        var sums = EightRows(start.map { $0 + column }, stride: initialStride)
        var pairs = RowPairs(factors, stride: rowStride)
        var source = right + column
        for _ in 0..<depth {
          sums.add(Factor.line(from: source), times: pairs, stride: rowStride)
          pairs.advance(by: depthStride)
          source += rightStride
        }
        sums.store(to: target + column, stride: outputStride)
      }
      row &+= rowsTogether
    }
  }
}

/// One vector of each of four rows, in plain variables so that they stay in registers.
private struct FourRows {
  var r0, r1, r2, r3: Vector

  @inline(__always) init(_ source: UnsafePointer<Float>?, stride: Int) {
    guard let source else {
      let zero = Vector(repeating: 0)
      (r0, r1, r2, r3) = (zero, zero, zero, zero)
      return
    }
    r0 = Vector(from: source)
    r1 = Vector(from: source + stride)
    r2 = Vector(from: source + 2 &* stride)
    r3 = Vector(from: source + 3 &* stride)
  }

  /// Adds `line` times each row's factor: those of rows 0 and 1, and of rows 2 and 3, are `stride` apart.
  @inline(__always) mutating func add<Factor: TileFactor>(
    _ line: Factor.Line, times factors: (UnsafePointer<Factor>, UnsafePointer<Factor>), stride: Int
  ) {
    r0 = Factor.add(factors.0[0], times: line, to: r0)
    r1 = Factor.add(factors.0[stride], times: line, to: r1)
    r2 = Factor.add(factors.1[0], times: line, to: r2)
    r3 = Factor.add(factors.1[stride], times: line, to: r3)
  }

  @inline(__always) func store(to target: UnsafeMutablePointer<Float>, stride: Int) {
    r0.store(to: target)
    r1.store(to: target + stride)
    r2.store(to: target + 2 &* stride)
    r3.store(to: target + 3 &* stride)
  }
}

/// One vector of each of eight rows.
private struct EightRows {
  private var upper, lower: FourRows

  @inline(__always) init(_ source: UnsafePointer<Float>?, stride: Int) {
    upper = FourRows(source, stride: stride)
    lower = FourRows(source.map { $0 + 4 &* stride }, stride: stride)
  }

  /// Adds `line` times each row's factor.
  @inline(__always) mutating func add<Factor: TileFactor>(
    _ line: Factor.Line, times factors: RowPairs<Factor>, stride: Int
  ) {
    upper.add(line, times: (factors.p0, factors.p2), stride: stride)
    lower.add(line, times: (factors.p4, factors.p6), stride: stride)
  }

  @inline(__always) func store(to target: UnsafeMutablePointer<Float>, stride: Int) {
    upper.store(to: target, stride: stride)
    lower.store(to: target + 4 &* stride, stride: stride)
  }
}

/// Pointers to the factors of eight rows. With a single pointer, each address would be computed from the previous one,
/// a dependency chain longer than that of the multiply-adds.
private struct RowPairs<Factor: TileFactor> {
  var p0, p2, p4, p6: UnsafePointer<Factor>

  @inline(__always) init(_ first: UnsafePointer<Factor>, stride: Int) {
    p0 = first
    p2 = first + 2 &* stride
    p4 = first + 4 &* stride
    p6 = first + 6 &* stride
  }

  @inline(__always) mutating func advance(by stride: Int) {
    p0 += stride
    p2 += stride
    p4 += stride
    p6 += stride
  }
}
