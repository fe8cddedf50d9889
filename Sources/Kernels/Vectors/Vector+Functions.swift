// Elementary functions on vectors: the C library's do not vectorise and are 20 times as slow. `VectorFunctionTests`
// checks the error bounds against double precision over the whole range.

extension Vector {
  /// e^x, relative error below 2e-7. x is clamped to [-87.3, 88.3]; NaN stays NaN.
  ///
  /// x = n ln 2 + r, |r| <= ln 2 / 2; the polynomial for e^r is that of Cephes' `expf` (S. Moshier).
  @inlinable @inline(__always) public var exponential: Vector {
    var x = replacing(with: Vector(repeating: -87.3), where: self .< Vector(repeating: -87.3))
    x.replace(with: Vector(repeating: 88.3), where: x .> Vector(repeating: 88.3))
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
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

  /// 1 / (1 + e^-x), relative error below 4e-7 for x >= -87.3; for smaller x it is less than 1e-37. NaN stays NaN.
  @inlinable @inline(__always) public var sigmoid: Vector {
    Vector(repeating: 1) / (Vector(repeating: 1) + (-self).exponential)
  }

  /// max(x, 0); NaN stays NaN.
  @inlinable @inline(__always) public var rectified: Vector {
    let zero = Vector(repeating: 0)
    return replacing(with: zero, where: self .< zero)
  }

  /// The gradient of `rectified` at `x`, given the output's gradient `self`: `self` where x > 0, else 0.
  @inlinable @inline(__always) public func passed(byRectified x: Vector) -> Vector {
    let zero = Vector(repeating: 0)
    return zero.replacing(with: self, where: x .> zero)
  }
}

extension Vector {
  /// x sigmoid(x).
  @inlinable @inline(__always) public var silu: Vector { self * sigmoid }

  /// The derivative of `silu`: s (1 + x (1 - s)), where s is the sigmoid.
  @inlinable @inline(__always) public var siluSlope: Vector {
    let s = sigmoid
    return s * (Vector(repeating: 1) - s).times(self, plus: Vector(repeating: 1))
  }

  /// x sigmoid(1.702 x) (Hendrycks and Gimpel, 2016): transformers' `quick_gelu`.
  @inlinable @inline(__always) public var quickGELU: Vector {
    self * (self * Vector(repeating: 1.702)).sigmoid
  }

  /// The derivative of `quickGELU`: s (1 + 1.702 x (1 - s)), where s is the sigmoid.
  @inlinable @inline(__always) public var quickGELUSlope: Vector {
    let z = self * Vector(repeating: 1.702)
    let s = z.sigmoid
    return s * (Vector(repeating: 1) - s).times(z, plus: Vector(repeating: 1))
  }
}

extension Vector {
  /// The normal distribution function Φ(x), accurate to 3e-7, and e^(-x²/2), which is computed along the way. NaN stays
  /// NaN.
  ///
  /// ½ erfc(z) at z = |x| / √2 by formula 7.1.26 of Abramowitz and Stegun (1964), whose own error is below 7.5e-8.
  @inlinable @inline(__always) public var normalDistribution: (distribution: Vector, power: Vector) {
    let size = replacing(with: -self, where: self .< Vector(repeating: 0))
    let power = (Vector(repeating: -0.5) * self * self).exponential
    let t = Vector(repeating: 1) / size.times(Vector(repeating: 0.231_641_89), plus: Vector(repeating: 1))
    var p = Vector(repeating: 0.530_702_71)
    p = p.times(t, plus: Vector(repeating: -0.726_576_01))
    p = p.times(t, plus: Vector(repeating: 0.710_706_87))
    p = p.times(t, plus: Vector(repeating: -0.142_248_37))
    p = p.times(t, plus: Vector(repeating: 0.127_414_8))
    let tail = p * t * power
    return (tail.replacing(with: Vector(repeating: 1) - tail, where: self .>= Vector(repeating: 0)), power)
  }

  /// x Φ(x) (Hendrycks and Gimpel, 2016): PyTorch's exact GELU.
  @inlinable @inline(__always) public var gelu: Vector { self * normalDistribution.distribution }

  /// The derivative of `gelu`: Φ(x) + x φ(x), with the normal density φ(x) = e^(-x²/2) / √2π.
  @inlinable @inline(__always) public var geluSlope: Vector {
    let (distribution, power) = normalDistribution
    return (self * Vector(repeating: 0.398_942_28)).times(power, plus: distribution)
  }

  /// x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2 = x sigmoid(2 √(2/π) (x + 0.044715 x³)): PyTorch's approximate GELU.
  @inlinable @inline(__always) public var tanhGELU: Vector { self * tanhGELUSigmoid.value }

  /// The derivative of `tanhGELU`: s + x s (1 - s) dz/dx, where s is the sigmoid and z its argument.
  @inlinable @inline(__always) public var tanhGELUSlope: Vector {
    let (s, x) = tanhGELUSigmoid
    // dz/dx = 2 √(2/π) (1 + 3 0.044715 x²)
    let slope = (x * x).times(Vector(repeating: 0.214_064_48), plus: Vector(repeating: 1.595_769_1))
    return (s * (Vector(repeating: 1) - s)).times(x * slope, plus: s)
  }

  /// The sigmoid in `tanhGELU`, and x clamped to ±16, beyond which the sigmoid is 0 or 1 and x³ may overflow.
  @inlinable @inline(__always) var tanhGELUSigmoid: (value: Vector, x: Vector) {
    var x = replacing(with: Vector(repeating: -16), where: self .< Vector(repeating: -16))
    x.replace(with: Vector(repeating: 16), where: x .> Vector(repeating: 16))
    let z = x * (x * x).times(Vector(repeating: 0.071_354_82), plus: Vector(repeating: 1.595_769_1))
    return (z.sigmoid, x)
  }
}
