import CProcessor

/// Matrix products with factors rounded to bfloat16 (to nearest, ties to even), on the calling thread.
///
/// The processor multiplies pairs of adjacent values along the depth (`vdpbf16ps`), so the factors are packed into
/// words of two values each: the left matrix by rows, the right one by columns in panels of sixteen. Each element
/// accumulates its pairs in order, independently of how the product is blocked.
enum BFloat16Product {
  typealias Word = UInt32
  typealias Words = SIMD16<UInt32>

  /// Maximum rows and columns of a block of the right matrix: 64 kB after rounding.
  private static let depthPerBlock = 512
  private static let columnsPerBlock = 64
  /// Rows of the output per block: their part of the left matrix stays in the second-level cache.
  private static let rowsPerBlock = 384

  /// output [rows, columns] = left * right, or += if `accumulating`.
  static func compute(
    _ left: Matrix, _ right: RightFactor<Panels>, into output: UnsafeMutablePointer<Float>, stride: Int,
    accumulating: Bool
  ) {
    let (rows, depth) = (left.effectiveRows, left.effectiveColumns)
    let parts = depthParts(depth)
    let pairs = parts.size / 2
    let rowParts = (rows + rowsPerBlock - 1) / rowsPerBlock
    let partRows = ((rows + rowParts - 1) / rowParts + Vector.width - 1) / Vector.width * Vector.width
    let rowStride = rowStride(pairs)
    let leftCount = partRows * rowStride
    let rightCount = right.isPacked ? 0 : columnsPerBlock * pairs + transposedCount(pairs)
    withUnsafeTemporaryAllocation(
      byteCount: (leftCount + rightCount) * MemoryLayout<Word>.stride,
      alignment: MemoryLayout<Words>.alignment
    ) { memory in
      let leftWords = memory.baseAddress!.assumingMemoryBound(to: Word.self)
      let rightWords = leftWords + leftCount
      for row in Swift.stride(from: 0, to: rows, by: partRows) {
        let rowRange = row..<min(row + partRows, rows)
        for part in 0..<parts.count {
          let depthRange = parts[part]
          let partPairs = (depthRange.count + 1) / 2
          let words =
            left.isTransposed
            ? leftPanels(left, rowRange, depthRange, into: leftWords)
            : leftRows(left, rowRange, depthRange, stride: rowStride, into: leftWords)
          for column in Swift.stride(from: 0, to: right.columns, by: columnsPerBlock) {
            let block = column..<min(column + columnsPerBlock, right.columns)
            let place = Output(
              elements: output + (row * stride + column), stride: stride, columns: block.count,
              isBegun: accumulating || part > 0)
            let panels: UnsafePointer<Word>
            switch right {
            case .matrix(let matrix):
              packRight(
                matrix, depthRange, block, scratch: rightWords + columnsPerBlock * pairs, into: rightWords)
              panels = UnsafePointer(rightWords)
            case .panels(let packed, let columns):
              panels = packed.part(depthRange, from: columns.lowerBound + column)
            }
            multiply(words, panels, rows: rowRange.count, pairs: partPairs, place)
          }
        }
      }
    }
  }

  /// All but the last are even, so that no pair straddles two parts.
  private static func depthParts(_ depth: Int) -> DepthParts {
    DepthParts(depth, most: depthPerBlock, multipleOf: 2)
  }

  /// A right matrix, packed whole: for each part of the depth, all panels of sixteen columns, [pairs, 16] words each, padded
  /// with zeros.
  struct Panels {
    private let words: UnsafePointer<Word>
    private let panels: Int

    /// - Parameter memory: room for as many words as the panels have.
    init(_ matrix: Matrix, memory: UnsafeMutablePointer<Float>, pool: ThreadPool) {
      let (width, columns) = (Vector.width, matrix.effectiveColumns)
      let words = UnsafeMutableRawPointer(memory).assumingMemoryBound(to: Word.self)
      let (panels, parts) = ((columns + width - 1) / width, depthParts(matrix.effectiveRows))
      let scratchCount = transposedCount(parts.size / 2)
      pool.parallel(panels * parts.count) { task, worker in
        let (part, panel) = (parts[task / panels], task % panels)
        let scratch = UnsafeMutableRawPointer(pool.scratch(scratchCount, worker: worker))
        packRight(
          matrix, part, panel * width..<min((panel + 1) * width, columns),
          scratch: scratch.assumingMemoryBound(to: Word.self),
          into: words + Self.place(part, panel: panel, of: panels))
      }
      self.words = UnsafePointer(words)
      self.panels = panels
    }

    /// The panels from that of `column` on.
    func part(_ depth: Range<Int>, from column: Int) -> UnsafePointer<Word> {
      words + Self.place(depth, panel: column / Vector.width, of: panels)
    }

    private static func place(_ depth: Range<Int>, panel: Int, of panels: Int) -> Int {
      (depth.lowerBound / 2 * panels + panel * ((depth.count + 1) / 2)) * Vector.width
    }
  }

  // MARK: Packing

  /// The distance between rows of pairs in words: whole vectors.
  private static func rowStride(_ pairs: Int) -> Int {
    (pairs + Vector.width - 1) / Vector.width * Vector.width
  }

  /// The words of sixteen rows of pairs.
  private static func transposedCount(_ pairs: Int) -> Int { Vector.width * rowStride(pairs) }

  /// The packed left matrix: within each group of sixteen rows, word (r, p) is at `r * rowStride + p * pairStride`;
  /// groups are `groupStride` apart.
  private struct Left {
    let words: UnsafePointer<Word>
    let rowStride, pairStride, groupStride: Int
  }

  /// Packs a matrix with contiguous rows: [rows, stride] words.
  private static func leftRows(
    _ matrix: Matrix, _ rows: Range<Int>, _ depth: Range<Int>, stride: Int,
    into words: UnsafeMutablePointer<Word>
  ) -> Left {
    let width = Vector.width
    for row in 0..<rows.count {
      let source = matrix.elements + ((rows.lowerBound + row) * matrix.stride + depth.lowerBound)
      let target = words + row &* stride
      var d = 0
      while d &+ 2 &* width <= depth.count {
        let pairs = oboro_bf16_row(Vector(from: source + d), Vector(from: source + (d &+ width)))
        UnsafeMutableRawPointer(target + d / 2).storeBytes(of: pairs, as: Words.self)
        d &+= 2 &* width
      }
      if d < depth.count {
        let rest = depth.count - d
        let first = Vector(from: source + d, count: min(rest, width))
        let second =
          rest > width ? Vector(from: source + (d + width), count: rest - width) : Vector(repeating: 0)
        UnsafeMutableRawPointer(target + d / 2).storeBytes(of: oboro_bf16_row(first, second), as: Words.self)
      }
    }
    return Left(
      words: UnsafePointer(words), rowStride: stride, pairStride: 1, groupStride: Vector.width * stride)
  }

  /// Packs a matrix with contiguous columns: panels of sixteen rows of the product, [pairs, 16] words each.
  private static func leftPanels(
    _ matrix: Matrix, _ rows: Range<Int>, _ depth: Range<Int>, into words: UnsafeMutablePointer<Word>
  ) -> Left {
    let (width, pairs) = (Vector.width, (depth.count + 1) / 2)
    var panel = words
    for row in Swift.stride(from: rows.lowerBound, to: rows.upperBound, by: width) {
      packPairs(
        matrix.elements + (depth.lowerBound * matrix.stride + row), stride: matrix.stride, depth: depth.count,
        columns: min(width, rows.upperBound - row), into: panel)
      panel += pairs * width
    }
    return Left(words: UnsafePointer(words), rowStride: 1, pairStride: width, groupStride: pairs * width)
  }

  /// Packs the columns of the right matrix into panels of sixteen, [pairs, 16] words each, padded with zeros.
  ///
  /// - Parameter scratch: `transposedCount` words.
  private static func packRight(
    _ matrix: Matrix, _ depth: Range<Int>, _ columns: Range<Int>, scratch: UnsafeMutablePointer<Word>,
    into words: UnsafeMutablePointer<Word>
  ) {
    let (width, pairs) = (Vector.width, (depth.count + 1) / 2)
    var panel = words
    for column in Swift.stride(from: columns.lowerBound, to: columns.upperBound, by: width) {
      let count = min(width, columns.upperBound - column)
      if matrix.isTransposed {
        // Pairs are adjacent in each row, and are transposed as words.
        if count < width { panel.update(repeating: 0, count: pairs * width) }
        _ = leftRows(matrix, column..<column + count, depth, stride: rowStride(pairs), into: scratch)
        Transposition.write(
          UnsafeRawPointer(scratch).assumingMemoryBound(to: Float.self), rows: count, columns: pairs,
          stride: rowStride(pairs), to: UnsafeMutableRawPointer(panel).assumingMemoryBound(to: Float.self),
          stride: width)
      } else {
        packPairs(
          matrix.elements + (depth.lowerBound * matrix.stride + column), stride: matrix.stride,
          depth: depth.count, columns: count, into: panel)
      }
      panel += pairs * width
    }
  }

  /// Packs `columns` columns of [depth, stride] floats into [pairs, 16] words.
  private static func packPairs(
    _ source: UnsafePointer<Float>, stride: Int, depth: Int, columns: Int,
    into words: UnsafeMutablePointer<Word>
  ) {
    let zero = Vector(repeating: 0)
    @inline(__always) func line(_ d: Int) -> Vector {
      guard d < depth else { return zero }
      let place = source + d &* stride
      return columns == Vector.width ? Vector(from: place) : Vector(from: place, count: columns)
    }
    for pair in 0..<(depth &+ 1) / 2 {
      let pairs = oboro_bf16_pairs(line(2 &* pair), line(2 &* pair &+ 1))
      UnsafeMutableRawPointer(words + pair &* Vector.width).storeBytes(of: pairs, as: Words.self)
    }
  }

  // MARK: Products

  /// The destination of a block's sums.
  private struct Output {
    let elements: UnsafeMutablePointer<Float>
    let stride: Int
    let columns: Int
    /// Whether the sums are added to the existing values.
    let isBegun: Bool
  }

  private static func multiply(
    _ left: Left, _ right: UnsafePointer<Word>, rows: Int, pairs: Int, _ output: Output
  ) {
    var column = 0
    while column < output.columns {
      // Four rows of four vectors: sixteen accumulators hide the latency of the products.
      let vectors = min((output.columns &- column &+ 15) / 16, 4)
      let panels = right + column &* pairs
      for row in Swift.stride(from: 0, to: rows, by: 4) {
        let words = left.words + (row / 16 &* left.groupStride &+ row % 16 &* left.rowStride)
        let count = min(4, rows - row)
        switch vectors {
        case 1: rowGroup(OneVector.self, left, words, panels, pairs, count, row, column, output)
        case 2: rowGroup(TwoVectors.self, left, words, panels, pairs, count, row, column, output)
        case 3: rowGroup(ThreeVectors.self, left, words, panels, pairs, count, row, column, output)
        default: rowGroup(FourVectors.self, left, words, panels, pairs, count, row, column, output)
        }
      }
      column &+= vectors &* 16
    }
  }

  /// Computes `count` of four rows, with as many columns as `Row` holds.
  @inline(__always)
  private static func rowGroup<Row: PairRow>(
    _: Row.Type, _ left: Left, _ words: UnsafePointer<Word>, _ panels: UnsafePointer<Word>, _ pairs: Int,
    _ count: Int, _ row: Int, _ column: Int, _ output: Output
  ) {
    var (r0, r1, r2, r3) = (Row(), Row(), Row(), Row())
    // Rows past the last one are computed from arbitrary data and not written.
    let (one, two) = (left.rowStride, 2 &* left.rowStride)
    var (low, high) = (words, words + two)
    var source = panels
    let step = pairs &* Vector.width
    for _ in 0..<pairs {
      let line = Row.Line(from: source, step: step)
      r0.add(low[0], times: line)
      r1.add(low[one], times: line)
      r2.add(high[0], times: line)
      r3.add(high[one], times: line)
      low += left.pairStride
      high += left.pairStride
      source += Vector.width
    }
    let target = output.elements + (row &* output.stride &+ column)
    let rest = output.columns &- column
    r0.write(to: target, count: rest, adding: output.isBegun)
    if count > 1 { r1.write(to: target + output.stride, count: rest, adding: output.isBegun) }
    if count > 2 { r2.write(to: target + 2 &* output.stride, count: rest, adding: output.isBegun) }
    if count > 3 { r3.write(to: target + 3 &* output.stride, count: rest, adding: output.isBegun) }
  }

  /// Accumulators of one row over several vectors of columns.
  private protocol PairRow {
    associatedtype Line: PairLine
    static var vectors: Int { get }
    init()
    mutating func add(_ factor: Word, times line: Line)
    func write(to target: UnsafeMutablePointer<Float>, count: Int, adding: Bool)
  }

  /// The corresponding words of the right matrix.
  private protocol PairLine {
    init(from source: UnsafePointer<Word>, step: Int)
  }

  private struct OneVector: PairRow {
    struct Line: PairLine {
      let words: Words
      @inline(__always) init(from source: UnsafePointer<Word>, step: Int) {
        words = UnsafeRawPointer(source).loadUnaligned(as: Words.self)
      }
    }
    private var sum = Vector(repeating: 0)

    @inline(__always) static var vectors: Int { 1 }
    @inline(__always) init() {}
    @inline(__always) mutating func add(_ factor: Word, times line: Line) {
      sum = oboro_add_bf16_products(sum, Words(repeating: factor), line.words)
    }
    @inline(__always) func write(to target: UnsafeMutablePointer<Float>, count: Int, adding: Bool) {
      if count >= Vector.width {
        (adding ? Vector(from: target) + sum : sum).store(to: target)
      } else {
        (adding ? Vector(from: target, count: count) + sum : sum).store(to: target, count: count)
      }
    }
  }

  /// Adds one vector to a row of one or several.
  private struct Joined<First: PairRow>: PairRow {
    struct Line: PairLine {
      let first: First.Line
      let last: OneVector.Line
      @inline(__always) init(from source: UnsafePointer<Word>, step: Int) {
        first = First.Line(from: source, step: step)
        last = OneVector.Line(from: source + First.vectors &* step, step: step)
      }
    }
    private var first = First()
    private var last = OneVector()

    @inline(__always) static var vectors: Int { First.vectors &+ 1 }
    @inline(__always) init() {}
    @inline(__always) mutating func add(_ factor: Word, times line: Line) {
      first.add(factor, times: line.first)
      last.add(factor, times: line.last)
    }
    @inline(__always) func write(to target: UnsafeMutablePointer<Float>, count: Int, adding: Bool) {
      first.write(to: target, count: count, adding: adding)
      let before = First.vectors &* Vector.width
      last.write(to: target + before, count: count &- before, adding: adding)
    }
  }

  private typealias TwoVectors = Joined<OneVector>
  private typealias ThreeVectors = Joined<TwoVectors>
  private typealias FourVectors = Joined<ThreeVectors>
}
