import CProcessor

/// What a tile's products multiply: float32, or two elements of bfloat16 that are adjacent along the depth.
protocol TileFactor {
  /// The factors of sixteen columns.
  associatedtype Line

  /// The number of elements along the depth in a factor.
  static var elements: Int { get }

  static func line(from source: UnsafePointer<Self>) -> Line

  /// sum + factor * line, for each column.
  static func add(_ factor: Self, times line: Line, to sum: Vector) -> Vector

  /// The factors [rows, columns / elements] of a left matrix [rows, columns], whose depth is its columns.
  ///
  /// - Parameters:
  ///   - columns: a multiple of 16.
  ///   - target: where to put them if they are not the matrix itself; may be `matrix`.
  static func left(
    _ matrix: UnsafeMutablePointer<Float>, rows: Int, columns: Int, into target: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Self>

  /// The factors [depth / elements, columns] of a right matrix [depth, columns], or of a left one that is transposed.
  ///
  /// - Parameters:
  ///   - depth: a multiple of 2.
  ///   - columns: a multiple of 16.
  ///   - target: as in `left`.
  static func right(
    _ matrix: UnsafeMutablePointer<Float>, depth: Int, columns: Int, into target: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Self>
}

extension TileFactor {
  /// The number of factors for `count` elements along the depth, the last of which may be padded.
  @inline(__always) static func count(_ count: Int) -> Int { (count &+ elements &- 1) / elements }
}

extension Float: TileFactor {
  @inline(__always) static var elements: Int { 1 }

  @inline(__always) static func line(from source: UnsafePointer<Float>) -> Vector { Vector(from: source) }

  @inline(__always) static func add(_ factor: Float, times line: Vector, to sum: Vector) -> Vector {
    line.times(Vector(repeating: factor), plus: sum)
  }

  @inline(__always) static func left(
    _ matrix: UnsafeMutablePointer<Float>, rows: Int, columns: Int, into target: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> { UnsafePointer(matrix) }

  @inline(__always) static func right(
    _ matrix: UnsafeMutablePointer<Float>, depth: Int, columns: Int, into target: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> { UnsafePointer(matrix) }
}

/// Two elements of bfloat16 in a word, rounded to nearest, ties to even.
struct BFloat16Pair: TileFactor {
  let word: UInt32

  @inline(__always) static var elements: Int { 2 }

  @inline(__always) static func line(from source: UnsafePointer<BFloat16Pair>) -> SIMD16<UInt32> {
    UnsafeRawPointer(source).loadUnaligned(as: SIMD16<UInt32>.self)
  }

  @inline(__always) static func add(
    _ factor: BFloat16Pair, times line: SIMD16<UInt32>, to sum: Vector
  ) -> Vector {
    oboro_add_bf16_products(sum, SIMD16(repeating: factor.word), line)
  }

  // Both write what they have read, or what precedes it, so they may work in place.

  static func left(
    _ matrix: UnsafeMutablePointer<Float>, rows: Int, columns: Int, into target: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<BFloat16Pair> {
    let words = UnsafeMutableRawPointer(target)
    var at = 0
    while at < rows &* columns {
      let rest = rows &* columns &- at
      let second = rest > Vector.width ? Vector(from: matrix + (at &+ Vector.width)) : Vector(repeating: 0)
      let pairs = oboro_bf16_row(Vector(from: matrix + at), second)
      if rest > Vector.width {
        words.storeBytes(of: pairs, toByteOffset: 2 &* at, as: SIMD16<UInt32>.self)
      } else {
        words.storeBytes(of: pairs.lowHalf, toByteOffset: 2 &* at, as: SIMD8<UInt32>.self)
      }
      at &+= 2 &* Vector.width
    }
    return UnsafePointer(words.assumingMemoryBound(to: BFloat16Pair.self))
  }

  static func right(
    _ matrix: UnsafeMutablePointer<Float>, depth: Int, columns: Int, into target: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<BFloat16Pair> {
    let words = UnsafeMutableRawPointer(target)
    for pair in 0..<depth / 2 {
      let source = matrix + 2 &* pair &* columns
      var column = 0
      while column < columns {
        let pairs = oboro_bf16_pairs(
          Vector(from: source + column), Vector(from: source + (columns &+ column)))
        words.storeBytes(of: pairs, toByteOffset: 4 &* (pair &* columns &+ column), as: SIMD16<UInt32>.self)
        column &+= Vector.width
      }
    }
    return UnsafePointer(words.assumingMemoryBound(to: BFloat16Pair.self))
  }
}
