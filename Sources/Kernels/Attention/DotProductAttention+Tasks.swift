/// The forward pass of some queries of a head, against all keys.
///
/// Keys are taken block by block; sums that were scaled by an earlier block's largest score are scaled again when a
/// larger one turns up (Milakov and Gimelshein, 2018).
struct AttentionForwardTask {
  typealias Memory = UnsafeMutablePointer<Float>

  private static let keysPerBlock = 256
  private static let rowsTogether = TileProduct.rowsTogether

  private let packed: PackedHead
  private let range: Range<Int>
  private let rows: Int
  private let scale: Float
  private let attendedStride: Int
  private let head: Memory
  private let queries, sums, tile: Memory

  /// For any task of `attention`.
  static func scratchCount(_ attention: DotProductAttention) -> Int {
    let rows = paddedRows(attention)
    return 2 * rows * PackedHead.padded(attention.headWidth) + rowsTogether * keysPerBlock
  }

  init(
    _ attention: DotProductAttention, _ packed: PackedHead, _ range: Range<Int>, head: Memory, scratch: Memory
  ) {
    self.packed = packed
    self.range = range
    self.head = head
    rows = (range.count + Self.rowsTogether - 1) / Self.rowsTogether * Self.rowsTogether
    scale = attention.scale
    attendedStride = attention.hidden
    queries = scratch
    sums = queries + rows * packed.paddedWidth
    tile = sums + rows * packed.paddedWidth
  }

  /// - Parameters:
  ///   - source, attended, statistics: of the head's first token.
  func run(_ source: UnsafePointer<Float>, attended: Memory, statistics: Memory) {
    let width = packed.paddedWidth
    packRows(
      source + range.lowerBound * packed.stride, stride: packed.stride, count: range.count, rows: rows,
      width: packed.headWidth, paddedWidth: width, into: queries
    ) { _ in scale }
    for row in stride(from: 0, to: rows, by: Self.rowsTogether) {
      let (largest, total) = attend(row)
      for index in 0..<min(Self.rowsTogether, range.count - row) {
        let token = range.lowerBound + row + index
        let inverse = 1 / total[index]
        statistics[2 * token] = largest[index]
        statistics[2 * token + 1] = inverse
        let sum = sums + (row + index) * width
        let target = attended + token * attendedStride
        for d in 0..<packed.headWidth { target[d] = sum[d] * inverse }
      }
    }
  }

  /// Σ e^(score - largest) V of eight queries, into `sums`.
  ///
  /// - Returns: for each query the largest score, and Σ e^(score - largest).
  private func attend(_ row: Int) -> (largest: SIMD8<Float>, total: SIMD8<Float>) {
    let width = packed.paddedWidth
    var largest = SIMD8<Float>(repeating: -.infinity)
    var total = SIMD8<Float>(repeating: 0)
    for start in stride(from: 0, to: packed.paddedTokens, by: Self.keysPerBlock) {
      let count = min(Self.keysPerBlock, packed.paddedTokens - start)
      TileProduct.compute(
        rows: Self.rowsTogether, depth: width, columns: count, left: queries + row * width, rowStride: width,
        depthStride: 1, right: packed.transposedKeys(head) + start, rightStride: packed.paddedTokens,
        initial: packed.mask(head) + start, output: tile, outputStride: count)
      var newLargest = largest
      for index in 0..<Self.rowsTogether {
        newLargest[index] = max(largest[index], Self.largest(tile + index &* count, count: count))
      }
      let factors = Vector(lowHalf: largest - newLargest, highHalf: SIMD8(repeating: 0)).exponential
      for index in 0..<Self.rowsTogether {
        let sum = Self.exponentials(tile + index &* count, minus: newLargest[index], count: count)
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
      TileProduct.compute(
        rows: Self.rowsTogether, depth: count, columns: width, left: tile, rowStride: count, depthStride: 1,
        right: packed.values(head) + start * width, rightStride: width,
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

  /// Replaces scores by e^(score - largest), and returns their sum.
  @inline(__always)
  private static func exponentials(_ row: Memory, minus largest: Float, count: Int) -> Float {
    var sum = Vector(repeating: 0)
    var index = 0
    while index < count {
      let e = (Vector(from: row + index) - Vector(repeating: largest)).exponential
      e.store(to: row + index)
      sum += e
      index &+= Vector.width
    }
    return sum.total
  }
}

/// The backward pass of some queries of a head, against all keys.
///
/// With E = e^(score - largest) and P = E / total: dV = Pᵀ dO; dP = dO Vᵀ; dS = P (dP - Σ P dP), where Σ P dP = Σ O dO;
/// dQ = dS K / sqrt(D); dK = dSᵀ Q / sqrt(D). Queries are packed divided by sqrt(D), dO and Σ O dO divided by total:
/// so P and scales never need multiplying out.
struct AttentionBackwardTask {
  typealias Memory = UnsafeMutablePointer<Float>

  // A block of keys, with its gradients, and two tiles of scores are to fit the smallest cache.
  private static let keysPerBlock = 64
  private static let queriesPerBlock = 32

  private let packed: PackedHead
  private let range: Range<Int>
  private let rows: Int
  private let scale: Float
  private let hidden: Int
  private let head: Memory
  private let keyGradient, valueGradient: Memory
  private let queries, gradients, queryGradients, largest, dots, tile, gradientTile: Memory

  /// For any task of `attention`.
  static func scratchCount(_ attention: DotProductAttention) -> Int {
    paddedRows(attention) * (3 * PackedHead.padded(attention.headWidth) + 2)
      + 2 * keysPerBlock * queriesPerBlock
  }

  init(
    _ attention: DotProductAttention, _ packed: PackedHead, _ range: Range<Int>, head: Memory, task: Int,
    scratch: Memory
  ) {
    self.packed = packed
    self.range = range
    self.head = head
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
  }

  /// - Parameters:
  ///   - source, attended, statistics, attendedGradient, queryGradient: of the head's first token.
  func run(
    _ source: UnsafePointer<Float>, attended: UnsafePointer<Float>, statistics: UnsafePointer<Float>,
    attendedGradient: UnsafePointer<Float>, queryGradient: Memory
  ) {
    let (d, width, first) = (packed.headWidth, packed.paddedWidth, range.lowerBound)
    packRows(
      source + first * packed.stride, stride: packed.stride, count: range.count, rows: rows, width: d,
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
    // Rows that do not exist: their gradients are 0, and so is all that comes of them.
    (largest + range.count).update(repeating: 0, count: rows - range.count)
    (dots + range.count).update(repeating: 0, count: rows - range.count)

    for start in stride(from: 0, to: packed.paddedTokens, by: Self.keysPerBlock) {
      let keys = start..<min(start + Self.keysPerBlock, packed.paddedTokens)
      for row in stride(from: 0, to: rows, by: Self.queriesPerBlock) {
        addBlock(row..<min(row + Self.queriesPerBlock, rows), keys)
      }
    }
    for row in 0..<range.count {
      let target = queryGradient + (first + row) * packed.stride
      let source = queryGradients + row * width
      for index in 0..<d { target[index] = source[index] * scale }
    }
  }

  /// What a block of queries and a block of keys give to each other's gradients.
  private func addBlock(_ block: Range<Int>, _ keys: Range<Int>) {
    let (width, row, key) = (packed.paddedWidth, block.lowerBound, keys.lowerBound)
    let (rowCount, keyCount) = (block.count, keys.count)
    TileProduct.compute(
      rows: rowCount, depth: width, columns: keyCount, left: queries + row * width, rowStride: width,
      depthStride: 1, right: packed.transposedKeys(head) + key, rightStride: packed.paddedTokens,
      initial: packed.mask(head) + key, output: tile, outputStride: keyCount)
    TileProduct.compute(
      rows: rowCount, depth: width, columns: keyCount, left: gradients + row * width, rowStride: width,
      depthStride: 1, right: packed.transposedValues(head) + key, rightStride: packed.paddedTokens,
      output: gradientTile, outputStride: keyCount)
    for index in 0..<rowCount {
      let (maximum, dot) = (Vector(repeating: largest[row &+ index]), Vector(repeating: dots[row &+ index]))
      let (e, ds) = (tile + index &* keyCount, gradientTile + index &* keyCount)
      var at = 0
      while at < keyCount {
        let power = (Vector(from: e + at) - maximum).exponential
        power.store(to: e + at)
        (power * (Vector(from: ds + at) - dot)).store(to: ds + at)
        at &+= Vector.width
      }
    }
    func addToKeys(_ left: Memory, _ right: Memory, _ target: Memory) {
      TileProduct.compute(
        rows: keyCount, depth: rowCount, columns: width, left: left, rowStride: 1, depthStride: keyCount,
        right: right + row * width, rightStride: width,
        initial: row > 0 ? UnsafePointer(target + key * width) : nil, initialStride: width,
        output: target + key * width, outputStride: width)
    }
    addToKeys(tile, gradients, valueGradient)
    addToKeys(gradientTile, queries, keyGradient)
    TileProduct.compute(
      rows: rowCount, depth: keyCount, columns: width, left: gradientTile, rowStride: keyCount,
      depthStride: 1,
      right: packed.keys(head) + key * width, rightStride: width,
      initial: key > 0 ? UnsafePointer(queryGradients + row * width) : nil, initialStride: width,
      output: queryGradients + row * width, outputStride: width)
  }
}

/// The most rows that a task of `attention` has, as a multiple of 8.
private func paddedRows(_ attention: DotProductAttention) -> Int {
  let count = min(attention.tokens, DotProductAttention.queriesPerTask)
  return (count + TileProduct.rowsTogether - 1) / TileProduct.rowsTogether * TileProduct.rowsTogether
}

/// Copies `count` rows of `width` floats, times a factor a row, and fills them up with zeros to `rows` and `paddedWidth`.
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
