// Elementary functions on vectors: the C library's do not vectorise, and cost 20 times as much.
// The error bounds are held by `VectorFunctionTests`, against double precision over the whole range.

extension Vector {
  /// e^x, relative error below 2e-7. Below -87.3 and above 88.3 it stays at the value there; NaN stays NaN.
  ///
  /// x = n ln 2 + r, |r| <= ln 2 / 2; the polynomial for e^r is that of Cephes' `expf` (S. Moshier).
  @inlinable @inline(__always) public var exponential: Vector {
    var x = replacing(with: Vector(repeating: -87.3), where: self .< Vector(repeating: -87.3))
    x.replace(with: Vector(repeating: 88.3), where: x .> Vector(repeating: 88.3))
    // Adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits.
    let magic = Vector(repeating: 12_582_912)
    let shifted = x.times(Vector(repeating: 1.442_695_04), plus: magic)
    let n = shifted - magic
    var r = n.times(Vector(repeating: -0.693_359_375), plus: x)
    r = n.times(Vector(repeating: 2.121_944_4e-4), plus: r)
    var p = Vector(repeating: 1.987_569_15e-4)
    p = p.times(r, plus: Vector(repeating: 1.398_199_95e-3))
    p = p.times(r, plus: Vector(repeating: 8.333_451_9e-3))
    p = p.times(r, plus: Vector(repeating: 4.166_579_6e-2))
    p = p.times(r, plus: Vector(repeating: 1.666_666_5e-1))
    p = p.times(r, plus: Vector(repeating: 5.000_000_1e-1))
    p = p.times(r * r, plus: r + 1)
    let exponent = unsafeBitCast(shifted, to: SIMD16<UInt32>.self) &<< 23
    let power = unsafeBitCast(exponent &+ SIMD16<UInt32>(repeating: 0x3F80_0000), to: Vector.self)
    return p * power
  }

  /// 1 / (1 + e^-x), relative error below 4e-7 from -87.3 on; below, it stays under 1e-37. NaN stays NaN.
  @inlinable @inline(__always) public var sigmoid: Vector {
    Vector(repeating: 1) / (Vector(repeating: 1) + (-self).exponential)
  }

  /// max(x, 0); NaN stays NaN.
  @inlinable @inline(__always) public var rectified: Vector {
    let zero = Vector(repeating: 0)
    return replacing(with: zero, where: self .< zero)
  }

  /// The gradient that `rectified` of `x` lets through of this one, its output's: all of it where x > 0, else nothing.
  @inlinable @inline(__always) public func passed(byRectified x: Vector) -> Vector {
    let zero = Vector(repeating: 0)
    return zero.replacing(with: self, where: x .> zero)
  }
}
