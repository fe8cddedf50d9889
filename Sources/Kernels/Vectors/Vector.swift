/// Sixteen floats: one AVX-512 register, or two of AVX2.
public typealias Vector = SIMD16<Float>

extension Vector {
  /// The number of floats in a vector.
  @inlinable @inline(__always) static var width: Int { 16 }

  /// Loads sixteen floats from any address.
  @inlinable @inline(__always) init(from pointer: UnsafePointer<Float>) {
    self = UnsafeRawPointer(pointer).loadUnaligned(as: Vector.self)
  }

  @inlinable @inline(__always) init(from pointer: UnsafeMutablePointer<Float>) {
    self = UnsafeRawPointer(pointer).loadUnaligned(as: Vector.self)
  }

  /// Stores sixteen floats at any address.
  @inlinable @inline(__always) func store(to pointer: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(pointer).storeBytes(of: self, as: Vector.self)
  }

  /// `self * factor + addend`, rounded once.
  @inlinable @inline(__always) func times(_ factor: Vector, plus addend: Vector) -> Vector {
    addend.addingProduct(self, factor)
  }

  /// The lane-wise maximum.
  @inlinable @inline(__always) func larger(_ other: Vector) -> Vector {
    replacing(with: other, where: other .> self)
  }

  /// The largest lane.
  @inlinable @inline(__always) var largest: Float {
    let eight = lowHalf.replacing(with: highHalf, where: highHalf .> lowHalf)
    let four = eight.lowHalf.replacing(with: eight.highHalf, where: eight.highHalf .> eight.lowHalf)
    return Swift.max(Swift.max(four.x, four.y), Swift.max(four.z, four.w))
  }

  /// The sum of the lanes, always in the same order, by halves.
  @inlinable @inline(__always) var total: Float {
    let eight = lowHalf + highHalf
    let four = eight.lowHalf + eight.highHalf
    return (four.x + four.z) + (four.y + four.w)
  }

  /// Loads up to sixteen floats; the remaining lanes are `fill`.
  @inlinable @inline(__always)
  init(from pointer: UnsafePointer<Float>, count: Int, fill: Float = 0) {
    self = Vector(repeating: fill)
    for lane in 0..<count { self[lane] = pointer[lane] }
  }

  @inlinable @inline(__always)
  init(from pointer: UnsafeMutablePointer<Float>, count: Int, fill: Float = 0) {
    self.init(from: UnsafePointer(pointer), count: count, fill: fill)
  }

  /// Stores the first `count` floats.
  @inlinable @inline(__always) func store(to pointer: UnsafeMutablePointer<Float>, count: Int) {
    for lane in 0..<count { pointer[lane] = self[lane] }
  }
}

/// Calls `whole` for each full vector of `0..<count`, and `rest` once for the remainder, if there is one.
@inlinable @inline(__always)
func forEachVector(_ count: Int, whole: (Int) -> Void, rest: (Int, Int) -> Void) {
  var index = 0
  while index &+ Vector.width <= count {
    whole(index)
    index &+= Vector.width
  }
  if index < count { rest(index, count &- index) }
}
