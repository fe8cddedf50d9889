import CProcessor

/// A segment of a matrix row that stays in registers: one or more vectors.
///
/// The last vector may overlap the one before it, so rows of any length of at least a vector are processed in whole
/// vectors: the overlap is computed twice, with the same result.
protocol VectorRow {
  static var vectors: Int { get }
  init()
  /// Loads vectors `step` floats apart, the last one from `last`.
  init(from pointer: UnsafePointer<Float>, step: Int, last: Int)
  /// self += factor * row.
  mutating func add(_ factor: Float, times row: Self)
  /// Stores the vectors contiguously, the last one at `last`.
  func store(to pointer: UnsafeMutablePointer<Float>, last: Int)
}

struct OneVector: VectorRow {
  private var value: Vector

  static var vectors: Int { 1 }
  @inline(__always) init() { value = Vector(repeating: 0) }
  @inline(__always) init(from pointer: UnsafePointer<Float>, step: Int, last: Int) {
    value = Vector(from: pointer + last)
  }
  @inline(__always) mutating func add(_ factor: Float, times row: Self) {
    value = row.value.times(Vector(repeating: factor), plus: value)
  }
  @inline(__always) func store(to pointer: UnsafeMutablePointer<Float>, last: Int) {
    value.store(to: pointer + last)
  }
}

/// The concatenation of two segments.
struct JoinedVectors<Left: VectorRow, Right: VectorRow>: VectorRow {
  private var left: Left
  private var right: Right

  @inline(__always) static var vectors: Int { Left.vectors + Right.vectors }
  @inline(__always) init() { (left, right) = (Left(), Right()) }
  @inline(__always) init(from pointer: UnsafePointer<Float>, step: Int, last: Int) {
    let start = Left.vectors &* step
    left = Left(from: pointer, step: step, last: start &- step)
    right = Right(from: pointer + start, step: step, last: last &- start)
  }
  @inline(__always) mutating func add(_ factor: Float, times row: Self) {
    left.add(factor, times: row.left)
    right.add(factor, times: row.right)
  }
  @inline(__always) func store(to pointer: UnsafeMutablePointer<Float>, last: Int) {
    let start = Left.vectors &* Vector.width
    left.store(to: pointer, last: start &- Vector.width)
    right.store(to: pointer + start, last: last &- start)
  }
}

typealias TwoVectors = JoinedVectors<OneVector, OneVector>
typealias ThreeVectors = JoinedVectors<TwoVectors, OneVector>
typealias FourVectors = JoinedVectors<TwoVectors, TwoVectors>

/// Products of matrices that are in cache, where the right one is at least a vector wide. They are thin and many: a
/// general product would spend its time on packing.
///
/// Each element is summed over the depth in order, regardless of what else is computed with it.
enum VectorProduct {
  /// The left matrix: element (r, d) is at `r * rowStride + d * depthStride`.
  struct Left {
    let elements: UnsafePointer<Float>
    let rowStride: Int
    let depthStride: Int

    init(elements: UnsafePointer<Float>, rowStride: Int, depthStride: Int) {
      self.elements = elements
      self.rowStride = rowStride
      self.depthStride = depthStride
    }

    init(_ matrix: Matrix) {
      elements = matrix.elements
      rowStride = matrix.isTransposed ? 1 : matrix.stride
      depthStride = matrix.isTransposed ? matrix.stride : 1
    }
  }

  /// The right matrix [depth, columns], with rows `stride` floats apart; or in panels [depth, 16] of sixteen columns,
  /// `stride` floats apart. The last panel holds the last sixteen columns.
  struct Right {
    let elements: UnsafePointer<Float>
    let columns: Int
    let stride: Int
    let isPanels: Bool
  }

  /// output [rows, columns] = left right (+ output if `accumulating`).
  @inline(never)
  static func compute(
    _ left: Left, _ right: Right, rows: Int, depth: Int, into output: UnsafeMutablePointer<Float>,
    stride: Int,
    accumulating: Bool = false
  ) {
    var column = 0
    while column < right.columns {
      let rest = right.columns &- column
      let vectors = vectorsTogether(rest)
      // The offset of the segment's last vector, in the output and in the right matrix.
      let last = min(vectors &* 16, rest) &- 16
      let target = Stretch(
        left: left, right: right.elements + (right.isPanels ? column / 16 &* right.stride : column),
        step: right.isPanels ? right.stride : 16,
        lastInRight: right.isPanels ? (vectors &- 1) &* right.stride : last,
        depthStride: right.isPanels ? 16 : right.stride, depth: depth, output: output + column,
        stride: stride,
        last: last, accumulating: accumulating)
      switch vectors {
      case 1: target.compute(OneVector.self, rows: rows)
      case 2: target.compute(TwoVectors.self, rows: rows)
      case 3: target.compute(ThreeVectors.self, rows: rows)
      default: target.compute(FourVectors.self, rows: rows)
      }
      column &+= vectors &* 16
    }
  }

  /// The number of vectors of columns that are computed together when `rest` columns remain.
  @inline(__always)
  private static func vectorsTogether(_ rest: Int) -> Int {
    // The last vector must not leave less than one, which would overlap elements already written.
    guard oboro_has_wide_registers() else { return rest > 16 && rest < 32 ? 2 : 1 }
    return min((rest &+ 15) / 16, rest > 64 && rest < 80 ? 3 : 4)
  }

  /// The output columns computed together.
  private struct Stretch {
    let left: Left
    let right: UnsafePointer<Float>
    let step: Int
    let lastInRight: Int
    let depthStride: Int
    let depth: Int
    let output: UnsafeMutablePointer<Float>
    let stride: Int
    let last: Int
    let accumulating: Bool

    @inline(__always)
    func compute<Row: VectorRow>(_: Row.Type, rows: Int) {
      var row = 0
      // Twelve or sixteen accumulators hide the latency of additions. More would fill the registers, and the compiler
      // would spill some: of sixteen registers of eight floats each, six rows of one vector take twelve.
      if Row.vectors <= (oboro_has_wide_registers() ? 2 : 1) {
        while row &+ 6 <= rows {
          sixRows(Row.self, row)
          row &+= 6
        }
      }
      while row &+ 4 <= rows {
        fourRows(Row.self, row)
        row &+= 4
      }
      while row < rows {
        oneRow(Row.self, row)
        row &+= 1
      }
    }

    @inline(__always)
    private func start<Row: VectorRow>(_ row: Int) -> Row {
      accumulating ? Row(from: UnsafePointer(output) + row &* stride, step: 16, last: last) : Row()
    }

    // Unrolled by hand, so that the accumulators stay in registers.

    @inline(__always)
    private func sixRows<Row: VectorRow>(_: Row.Type, _ row: Int) {
      var (s0, s1, s2): (Row, Row, Row) = (start(row), start(row &+ 1), start(row &+ 2))
      var (s3, s4, s5): (Row, Row, Row) = (start(row &+ 3), start(row &+ 4), start(row &+ 5))
      let n = left.rowStride
      var (a, b) = (left.elements + row &* n, right)
      for _ in 0..<depth {
        let values = Row(from: b, step: step, last: lastInRight)
        s0.add(a[0], times: values)
        s1.add(a[n], times: values)
        s2.add(a[2 &* n], times: values)
        s3.add(a[3 &* n], times: values)
        s4.add(a[4 &* n], times: values)
        s5.add(a[5 &* n], times: values)
        a += left.depthStride
        b += depthStride
      }
      let target = output + row &* stride
      s0.store(to: target, last: last)
      s1.store(to: target + stride, last: last)
      s2.store(to: target + 2 &* stride, last: last)
      s3.store(to: target + 3 &* stride, last: last)
      s4.store(to: target + 4 &* stride, last: last)
      s5.store(to: target + 5 &* stride, last: last)
    }

    @inline(__always)
    private func fourRows<Row: VectorRow>(_: Row.Type, _ row: Int) {
      var (s0, s1): (Row, Row) = (start(row), start(row &+ 1))
      var (s2, s3): (Row, Row) = (start(row &+ 2), start(row &+ 3))
      let n = left.rowStride
      var (a, b) = (left.elements + row &* n, right)
      for _ in 0..<depth {
        let values = Row(from: b, step: step, last: lastInRight)
        s0.add(a[0], times: values)
        s1.add(a[n], times: values)
        s2.add(a[2 &* n], times: values)
        s3.add(a[3 &* n], times: values)
        a += left.depthStride
        b += depthStride
      }
      let target = output + row &* stride
      s0.store(to: target, last: last)
      s1.store(to: target + stride, last: last)
      s2.store(to: target + 2 &* stride, last: last)
      s3.store(to: target + 3 &* stride, last: last)
    }

    @inline(__always)
    private func oneRow<Row: VectorRow>(_: Row.Type, _ row: Int) {
      var sum: Row = start(row)
      var (a, b) = (left.elements + row &* left.rowStride, right)
      for _ in 0..<depth {
        sum.add(a[0], times: Row(from: b, step: step, last: lastInRight))
        a += left.depthStride
        b += depthStride
      }
      sum.store(to: output + row &* stride, last: last)
    }
  }
}
