/// Winograd's F(4x4, 3x3), with the points 0, 1, -1, 2, -2 and infinity, and F(3x3, 3x3), with all of them except -2.
enum F4x4_3x3: WinogradScheme {
  @inline(__always) static var taps: Int { 3 }
  @inline(__always) static var pointOfLong: Int? { 4 }

  // Doubling is written as addition: the compiler splits products with 2 or -2 into half vectors.

  enum Long: WinogradSide {
    @inline(__always) static var points: Int { 6 }
    @inline(__always) static var outputs: Int { 4 }
    @inline(__always) static func place(_ point: Int) -> Int { point }

    @inline(__always)
    static func input(_ d: SixLine) -> SixLine {
      let (four, minusFour, minusFive) = (
        Vector(repeating: 4), Vector(repeating: -4), Vector(repeating: -5)
      )
      let evenNear = d.v2.times(minusFour, plus: d.v4)
      let oddNear = d.v1.times(minusFour, plus: d.v3)
      let evenFar = d.v4 - d.v2
      let oddFar = d.v3 - d.v1
      return SixLine(
        d.v0.times(four, plus: d.v2.times(minusFive, plus: d.v4)), evenNear + oddNear, evenNear - oddNear,
        evenFar + (oddFar + oddFar), evenFar - (oddFar + oddFar),
        d.v1.times(four, plus: d.v3.times(minusFive, plus: d.v5)))
    }

    @inline(__always)
    static func output(_ m: SixLine) -> FourLine {
      let (two, four, eight) = (Vector(repeating: 2), Vector(repeating: 4), Vector(repeating: 8))
      let (nearSum, nearDifference) = (m.v1 + m.v2, m.v1 - m.v2)
      let (farSum, farDifference) = (m.v3 + m.v4, m.v3 - m.v4)
      return FourLine(
        m.v0 + nearSum + farSum, farDifference.times(two, plus: nearDifference),
        farSum.times(four, plus: nearSum),
        farDifference.times(eight, plus: nearDifference) + m.v5)
    }

    @inline(__always)
    static func outputAdjoint(_ y: FourLine) -> SixLine {
      let (evenNear, oddNear) = (y.v0 + y.v2, y.v1 + y.v3)
      let evenFar = y.v2.times(Vector(repeating: 4), plus: y.v0)
      let oddFar = y.v3.times(Vector(repeating: 8), plus: y.v1 + y.v1)
      return SixLine(
        y.v0, evenNear + oddNear, evenNear - oddNear, evenFar + oddFar, evenFar - oddFar, y.v3)
    }
  }

  /// At a point a, G divides by Π (a - b) over the other points b. Filters are transformed for six points, so the
  /// inputs carry the factor a + 2 that the product over five points lacks.
  enum Short: WinogradSide {
    @inline(__always) static var points: Int { 5 }
    @inline(__always) static var outputs: Int { 3 }
    @inline(__always) static func place(_ point: Int) -> Int { point == 4 ? 5 : point }

    @inline(__always)
    static func input(_ d: FiveLine) -> FiveLine {
      let odd = d.v3 - d.v1
      let even = d.v0 - d.v2
      let zero = (even + even) + odd
      return FiveLine(
        zero + zero, Vector(repeating: 3) * ((d.v3 - d.v2) - (d.v1 + d.v1)),
        (d.v1 + d.v1) + d.v2.times(Vector(repeating: -3), plus: d.v3), Vector(repeating: 4) * odd,
        (d.v4 - d.v2) - (odd + odd))
    }

    @inline(__always)
    static func output(_ m: FiveLine) -> ThreeLine {
      let (two, four) = (Vector(repeating: 2), Vector(repeating: 4))
      let (sum, difference) = (m.v1 + m.v2, m.v1 - m.v2)
      return ThreeLine(
        m.v0 + sum + m.v3, m.v3.times(two, plus: difference), m.v3.times(four, plus: sum) + m.v4)
    }

    @inline(__always)
    static func outputAdjoint(_ y: ThreeLine) -> FiveLine {
      let even = y.v0 + y.v2
      return FiveLine(
        y.v0, even + y.v1, even - y.v1, y.v2.times(Vector(repeating: 4), plus: y.v0) + (y.v1 + y.v1), y.v2)
    }
  }

  @inline(__always)
  static func filter(_ g: ThreeLine) -> SixLine {
    let (sixth, minusSixth) = (Vector(repeating: 1.0 / 6), Vector(repeating: -1.0 / 6))
    let near = g.v0 + g.v2
    let far = g.v0.times(Vector(repeating: 1.0 / 24), plus: sixth * g.v2)
    return SixLine(
      Vector(repeating: 0.25) * g.v0, minusSixth * (near + g.v1), minusSixth * (near - g.v1),
      g.v1.times(Vector(repeating: 1.0 / 12), plus: far), g.v1.times(Vector(repeating: -1.0 / 12), plus: far),
      g.v2)
  }

  @inline(__always)
  static func filterAdjoint(_ u: SixLine) -> ThreeLine {
    let sixth = Vector(repeating: 1.0 / 6)
    let near = sixth * (u.v1 + u.v2)
    let far = u.v3 + u.v4
    return ThreeLine(
      u.v0.times(Vector(repeating: 0.25), plus: far * Vector(repeating: 1.0 / 24) - near),
      (u.v2 - u.v1).times(sixth, plus: Vector(repeating: 1.0 / 12) * (u.v3 - u.v4)),
      far.times(sixth, plus: u.v5 - near))
  }
}
