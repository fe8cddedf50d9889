/// The forward pass of a range of a head's queries against all keys.
///
/// Online softmax (Milakov and Gimelshein, 2018): keys are processed in blocks, and running sums are rescaled whenever
/// a block raises the largest score.
struct AttentionForwardTask<Factor: TileFactor> {
  typealias Memory = UnsafeMutablePointer<Float>

  private static var keysPerBlock: Int { 256 }
  private static var rowsTogether: Int { TileProduct.rowsTogether }

  private let packed: PackedHead<Factor>
  private let range: Range<Int>
  private let rows: Int
  private let scale: Float
  private let attendedStride: Int
  private let isCausal, isMasked: Bool
  private let head: Memory
  private let queries, sums, tile: Memory

  /// The scratch size in floats that suffices for any task of `attention`.
  static func scratchCount(_ attention: DotProductAttention) -> Int {
    let rows = paddedRows(attention)
    return 2 * rows * PackedHead<Factor>.padded(attention.headWidth) + rowsTogether * keysPerBlock
  }

  /// - Parameter isMasked: whether some keys may be masked.
  init(
    _ attention: DotProductAttention, _ packed: PackedHead<Factor>, _ range: Range<Int>, isMasked: Bool,
    head: Memory, scratch: Memory
  ) {
    self.packed = packed
    self.range = range
    self.isMasked = isMasked
    self.head = head
    isCausal = attention.isCausal
    rows = (range.count + Self.rowsTogether - 1) / Self.rowsTogether * Self.rowsTogether
    scale = attention.scale
    attendedStride = attention.hidden
    queries = scratch
    sums = queries + rows * packed.paddedWidth
    tile = sums + rows * packed.paddedWidth
  }

  /// - Parameters:
  ///   - source, attended, statistics: those of the head's first query.
  ///   - stride: the distance between queries in floats.
  func run(_ source: UnsafePointer<Float>, stride: Int, attended: Memory, statistics: Memory) {
    let width = packed.paddedWidth
    packRows(
      source + range.lowerBound * stride, stride: stride, count: range.count, rows: rows,
      width: packed.headWidth, paddedWidth: width, into: queries
    ) { _ in scale }
    let factors = Factor.left(queries, rows: rows, columns: width, into: queries)
    for row in Swift.stride(from: 0, to: rows, by: Self.rowsTogether) {
      let (largest, total) = attend(row, factors + row * Factor.count(width))
      for index in 0..<min(Self.rowsTogether, range.count - row) {
        let token = range.lowerBound + row + index
        // If all of a query's keys are masked, the sum is 0.
        let inverse = total[index] == 0 ? 0 : 1 / total[index]
        statistics[2 * token] = largest[index]
        statistics[2 * token + 1] = inverse
        let sum = sums + (row + index) * width
        let target = attended + token * attendedStride
        for d in 0..<packed.headWidth { target[d] = sum[d] * inverse }
      }
    }
  }

  /// Computes Σ e^(score - largest) V for eight queries into `sums`.
  ///
  /// - Returns: the largest score and Σ e^(score - largest) of each query.
  private func attend(
    _ row: Int, _ queries: UnsafePointer<Factor>
  ) -> (largest: SIMD8<Float>, total: SIMD8<Float>) {
    let width = packed.paddedWidth
    var largest = SIMD8<Float>(repeating: -.infinity)
    var total = SIMD8<Float>(repeating: 0)
    // Keys after the last of the eight queries are masked for all of them.
    let first = range.lowerBound + row
    let end =
      isCausal
      ? min(packed.paddedKeys, PackedHead<Factor>.padded(first + Self.rowsTogether)) : packed.paddedKeys
    for start in stride(from: 0, to: end, by: Self.keysPerBlock) {
      let count = min(Self.keysPerBlock, end - start)
      TileProduct.compute(
        rows: Self.rowsTogether, depth: packed.depth, columns: count, left: queries,
        rowStride: Factor.count(width), depthStride: 1, right: packed.transposedKeys(head) + start,
        rightStride: packed.transposedStride,
        initial: packed.mask(head) + start, output: tile, outputStride: count)
      if isCausal { maskLaterKeys(tile, rows: Self.rowsTogether, first: first, keys: start..<start + count) }
      var newLargest = largest
      for index in 0..<Self.rowsTogether {
        newLargest[index] = max(largest[index], Self.largest(tile + index &* count, count: count))
      }
      let factors = Vector(lowHalf: largest - newLargest, highHalf: SIMD8(repeating: 0)).exponential
      for index in 0..<Self.rowsTogether {
        let scores = tile + index &* count
        let sum =
          isMasked
          ? Self.exponentials(scores, minus: newLargest[index], count: count, masked: true)
          : Self.exponentials(scores, minus: newLargest[index], count: count, masked: false)
        total[index] = total[index] * factors[index] + sum
      }
      if start > 0 {
        for index in 0..<Self.rowsTogether {
          let factor = Vector(repeating: factors[index])
          let sum = sums + (row + index) &* width
          for d in stride(from: 0, to: width, by: Vector.width) {
            (Vector(from: sum + d) * factor).store(to: sum + d)
          }
        }
      }
      let powers = Factor.left(tile, rows: Self.rowsTogether, columns: count, into: tile)
      TileProduct.compute(
        rows: Self.rowsTogether, depth: Factor.count(count), columns: width, left: powers,
        rowStride: Factor.count(count), depthStride: 1, right: packed.values(head, from: start),
        rightStride: width,
        initial: start > 0 ? UnsafePointer(sums + row * width) : nil, initialStride: width,
        output: sums + row * width, outputStride: width)
      largest = newLargest
    }
    return (largest, total)
  }

  @inline(__always)
  private static func largest(_ row: UnsafePointer<Float>, count: Int) -> Float {
    var largest = Vector(from: row)
    var index = Vector.width
    while index < count {
      largest = largest.larger(Vector(from: row + index))
      index &+= Vector.width
    }
    return largest.largest
  }

  /// Replaces scores with e^(score - largest) and returns the sum.
  @inline(__always)
  private static func exponentials(
    _ row: Memory, minus largest: Float, count: Int, masked: Bool
  ) -> Float {
    var sum = Vector(repeating: 0)
    var index = 0
    while index < count {
      let score = Vector(from: row + index)
      var e = (score - Vector(repeating: largest)).exponential
      if masked { e.dropMasked(score) }
      e.store(to: row + index)
      sum += e
      index &+= Vector.width
    }
    return sum.total
  }
}

/// The backward pass of a range of a head's queries against all keys.
///
/// With E = e^(score - largest) and P = E / total: dV = Pᵀ dO; dP = dO Vᵀ; dS = P (dP - Σ P dP), where Σ P dP = Σ O dO;
/// dQ = dS K / sqrt(D); dK = dSᵀ Q / sqrt(D). Q is divided by sqrt(D) when packed, dO and Σ O dO by total, so neither P
/// nor the scales are ever multiplied out.
struct AttentionBackwardTask<Factor: TileFactor> {
  typealias Memory = UnsafeMutablePointer<Float>

  // A block of keys with its gradients and two tiles of scores fit into the L1 cache.
  private static var keysPerBlock: Int { 64 }
  private static var queriesPerBlock: Int { 32 }

  private let packed: PackedHead<Factor>
  private let range: Range<Int>
  private let rows: Int
  private let scale: Float
  private let hidden: Int
  private let isCausal, isMasked: Bool
  private let head: Memory
  private let keyGradient, valueGradient: Memory
  private let queries, gradients, queryGradients, largest, dots, tile, gradientTile: Memory
  /// For factors that are packed twice, along both dimensions: queries and gradients, and a tile.
  private let queryFactors, gradientFactors, tileFactors: Memory

  /// The scratch size in floats that suffices for any task of `attention`.
  static func scratchCount(_ attention: DotProductAttention) -> Int {
    let width = PackedHead<Factor>.padded(attention.headWidth)
    return paddedRows(attention) * (3 * width + 2) + 2 * keysPerBlock * queriesPerBlock
      + (Factor.elements > 1 ? 2 * paddedRows(attention) * width + keysPerBlock * queriesPerBlock : 0)
  }

  init(
    _ attention: DotProductAttention, _ packed: PackedHead<Factor>, _ range: Range<Int>, isMasked: Bool,
    head: Memory,
    task: Int, scratch: Memory
  ) {
    self.packed = packed
    self.range = range
    self.isMasked = isMasked
    self.head = head
    isCausal = attention.isCausal
    rows =
      (range.count + TileProduct.rowsTogether - 1) / TileProduct.rowsTogether * TileProduct.rowsTogether
    scale = attention.scale
    hidden = attention.hidden
    keyGradient = packed.keyGradient(head, task: task)
    valueGradient = packed.valueGradient(head, task: task)
    tile = scratch
    gradientTile = tile + Self.keysPerBlock * Self.queriesPerBlock
    queries = gradientTile + Self.keysPerBlock * Self.queriesPerBlock
    gradients = queries + rows * packed.paddedWidth
    queryGradients = gradients + rows * packed.paddedWidth
    largest = queryGradients + rows * packed.paddedWidth
    dots = largest + rows
    tileFactors = dots + rows
    queryFactors = tileFactors + Self.keysPerBlock * Self.queriesPerBlock
    gradientFactors = queryFactors + rows * packed.paddedWidth
  }

  /// - Parameters:
  ///   - source, attended, statistics, attendedGradient, queryGradient: those of the head's first query.
  ///   - stride: the distance between queries, and between their gradients, in floats.
  func run(
    _ source: UnsafePointer<Float>, stride: Int, attended: UnsafePointer<Float>,
    statistics: UnsafePointer<Float>,
    attendedGradient: UnsafePointer<Float>, queryGradient: Memory
  ) {
    let (d, width, first) = (packed.headWidth, packed.paddedWidth, range.lowerBound)
    packRows(
      source + first * stride, stride: stride, count: range.count, rows: rows, width: d,
      paddedWidth: width, into: queries
    ) { _ in scale }
    packRows(
      attendedGradient + first * hidden, stride: hidden, count: range.count, rows: rows, width: d,
      paddedWidth: width, into: gradients
    ) { statistics[2 * (first + $0) + 1] }
    for row in 0..<range.count {
      largest[row] = statistics[2 * (first + row)]
      dots[row] = Reduction.dot(gradients + row &* width, attended + (first + row) &* hidden, count: d)
    }
    // Padding rows: their gradients are 0, so they contribute nothing.
    (largest + range.count).update(repeating: 0, count: rows - range.count)
    (dots + range.count).update(repeating: 0, count: rows - range.count)

    let factors = Rows(
      queries: Factor.left(queries, rows: rows, columns: width, into: queryFactors),
      gradients: Factor.left(gradients, rows: rows, columns: width, into: gradientFactors),
      queriesOfKeys: Factor.right(queries, depth: rows, columns: width, into: queries),
      gradientsOfKeys: Factor.right(gradients, depth: rows, columns: width, into: gradients))

    for start in Swift.stride(from: 0, to: packed.paddedKeys, by: Self.keysPerBlock) {
      let keys = start..<min(start + Self.keysPerBlock, packed.paddedKeys)
      var isBegun = false
      for row in Swift.stride(from: 0, to: rows, by: Self.queriesPerBlock) {
        let block = row..<min(row + Self.queriesPerBlock, rows)
        // No query of the block attends to these keys.
        if isCausal && first + block.upperBound <= start { continue }
        addBlock(block, keys, factors, isBegun: isBegun)
        isBegun = true
      }
      if !isBegun {
        for gradient in [keyGradient, valueGradient] {
          (gradient + start * width).update(repeating: 0, count: keys.count * width)
        }
      }
    }
    for row in 0..<range.count {
      let target = queryGradient + (first + row) * stride
      let source = queryGradients + row * width
      for index in 0..<d { target[index] = source[index] * scale }
    }
  }

  /// The factors of all rows: queries and gradients of what they attend to, as left factors, whose depth is the width of
  /// the head, and as right factors of the keys' gradients, whose depth are the queries.
  private struct Rows {
    let queries, gradients, queriesOfKeys, gradientsOfKeys: UnsafePointer<Factor>
  }

  /// Accumulates the contributions of a block of queries and a block of keys to each other's gradients.
  ///
  /// - Parameter isBegun: whether the keys' gradients already hold the contributions of earlier blocks.
  private func addBlock(_ block: Range<Int>, _ keys: Range<Int>, _ factors: Rows, isBegun: Bool) {
    let (width, row, key) = (packed.paddedWidth, block.lowerBound, keys.lowerBound)
    let (rowCount, keyCount) = (block.count, keys.count)
    let rowStride = Factor.count(width)
    TileProduct.compute(
      rows: rowCount, depth: packed.depth, columns: keyCount, left: factors.queries + row * rowStride,
      rowStride: rowStride, depthStride: 1, right: packed.transposedKeys(head) + key,
      rightStride: packed.transposedStride, initial: packed.mask(head) + key, output: tile,
      outputStride: keyCount)
    if isCausal { maskLaterKeys(tile, rows: rowCount, first: range.lowerBound + row, keys: keys) }
    TileProduct.compute(
      rows: rowCount, depth: packed.depth, columns: keyCount, left: factors.gradients + row * rowStride,
      rowStride: rowStride, depthStride: 1, right: packed.transposedValues(head) + key,
      rightStride: packed.transposedStride, output: gradientTile, outputStride: keyCount)
    for index in 0..<rowCount {
      let (maximum, dot) = (Vector(repeating: largest[row &+ index]), Vector(repeating: dots[row &+ index]))
      let (e, ds) = (tile + index &* keyCount, gradientTile + index &* keyCount)
      if isMasked {
        Self.softmaxGradient(e, ds, maximum, dot, count: keyCount, masked: true)
      } else {
        Self.softmaxGradient(e, ds, maximum, dot, count: keyCount, masked: false)
      }
    }
    let scoreGradients = Factor.left(gradientTile, rows: rowCount, columns: keyCount, into: tileFactors)
    TileProduct.compute(
      rows: rowCount, depth: Factor.count(keyCount), columns: width, left: scoreGradients,
      rowStride: Factor.count(keyCount), depthStride: 1, right: packed.keys(head, from: key),
      rightStride: width,
      initial: key > 0 ? UnsafePointer(queryGradients + row * width) : nil, initialStride: width,
      output: queryGradients + row * width, outputStride: width)
    func addToKeys(_ left: Memory, _ right: UnsafePointer<Factor>, _ target: Memory) {
      TileProduct.compute(
        rows: keyCount, depth: Factor.count(rowCount), columns: width,
        left: Factor.right(left, depth: rowCount, columns: keyCount, into: left), rowStride: 1,
        depthStride: keyCount, right: right + Factor.count(row) * width, rightStride: width,
        initial: isBegun ? UnsafePointer(target + key * width) : nil, initialStride: width,
        output: target + key * width, outputStride: width)
    }
    addToKeys(tile, factors.gradientsOfKeys, valueGradient)
    addToKeys(gradientTile, factors.queriesOfKeys, keyGradient)
  }

  /// Turns `e`, a row of scores, into e^(score - maximum), and `ds`, a row of dP, into e^(score - maximum) (dP - dot).
  @inline(__always)
  private static func softmaxGradient(
    _ e: Memory, _ ds: Memory, _ maximum: Vector, _ dot: Vector, count: Int, masked: Bool
  ) {
    var at = 0
    while at < count {
      let score = Vector(from: e + at)
      var power = (score - maximum).exponential
      if masked { power.dropMasked(score) }
      power.store(to: e + at)
      (power * (Vector(from: ds + at) - dot)).store(to: ds + at)
      at &+= Vector.width
    }
  }
}

extension Vector {
  /// Sets masked keys to exactly 0, which e^x only approaches.
  @inline(__always)
  fileprivate mutating func dropMasked(_ score: Vector) {
    replace(with: Vector(repeating: 0), where: score .< Vector(repeating: MaskedScore.threshold))
  }
}

/// Masks the scores of keys after their query in a tile whose first row is query `first`.
@inline(__always)
private func maskLaterKeys(_ tile: UnsafeMutablePointer<Float>, rows: Int, first: Int, keys: Range<Int>) {
  for row in 0..<rows {
    let later = max(first &+ row &+ 1 &- keys.lowerBound, 0)
    guard later < keys.count else { continue }
    (tile + (row &* keys.count &+ later)).update(
      repeating: MaskedScore.value, count: keys.count &- later)
  }
}

/// The largest number of rows of any task of `attention`, rounded up to a multiple of 8.
private func paddedRows(_ attention: DotProductAttention) -> Int {
  let count = min(attention.queries, DotProductAttention.queriesPerTask)
  return (count + TileProduct.rowsTogether - 1) / TileProduct.rowsTogether * TileProduct.rowsTogether
}

/// Copies `count` rows of `width` floats, each scaled by its own factor, and pads them with zeros to `rows` rows of
/// `paddedWidth`.
@inline(__always)
private func packRows(
  _ source: UnsafePointer<Float>, stride: Int, count: Int, rows: Int, width: Int, paddedWidth: Int,
  into target: UnsafeMutablePointer<Float>, factor: (_ row: Int) -> Float
) {
  if paddedWidth > width { target.update(repeating: 0, count: count * paddedWidth) }
  for row in 0..<count {
    let (from, to, factor) = (source + row &* stride, target + row &* paddedWidth, factor(row))
    for index in 0..<width { to[index] = from[index] * factor }
  }
  (target + count * paddedWidth).update(repeating: 0, count: (rows - count) * paddedWidth)
}
