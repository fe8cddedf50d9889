/// Winograd's F(4x4, 2x2), with the points 0, 1, -1, 2 and infinity.
enum F4x4_2x2: WinogradScheme {
  @inline(__always) static var taps: Int { 2 }
  @inline(__always) static var pointOfLong: Int? { nil }

  typealias Short = Long

  enum Long: WinogradSide {
    @inline(__always) static var points: Int { 5 }
    @inline(__always) static var outputs: Int { 4 }
    @inline(__always) static func place(_ point: Int) -> Int { point }

    @inline(__always)
    static func input(_ d: FiveLine) -> FiveLine {
      let odd = d.v3 - d.v1
      let even = d.v0 - d.v2
      return FiveLine(
        (even + even) + odd, d.v1.times(Vector(repeating: -2), plus: d.v3 - d.v2),
        (d.v1 + d.v1) + d.v2.times(Vector(repeating: -3), plus: d.v3), odd, (d.v4 - d.v2) - (odd + odd))
    }

    @inline(__always)
    static func output(_ m: FiveLine) -> FourLine {
      let (two, four, eight) = (Vector(repeating: 2), Vector(repeating: 4), Vector(repeating: 8))
      let (sum, difference) = (m.v1 + m.v2, m.v1 - m.v2)
      return FourLine(
        m.v0 + sum + m.v3, m.v3.times(two, plus: difference), m.v3.times(four, plus: sum),
        m.v3.times(eight, plus: difference) + m.v4)
    }

    @inline(__always)
    static func outputAdjoint(_ y: FourLine) -> FiveLine {
      let four = Vector(repeating: 4)
      let (even, odd) = (y.v0 + y.v2, y.v1 + y.v3)
      let oddFar = y.v3.times(four, plus: y.v1)
      return FiveLine(
        y.v0, even + odd, even - odd, y.v2.times(four, plus: y.v0) + (oddFar + oddFar), y.v3)
    }
  }

  @inline(__always)
  static func filter(_ g: TwoLine) -> FiveLine {
    let (half, sixth) = (Vector(repeating: 0.5), Vector(repeating: 1.0 / 6))
    return FiveLine(
      half * g.v0, Vector(repeating: -0.5) * (g.v0 + g.v1), sixth * (g.v1 - g.v0),
      g.v1.times(Vector(repeating: 1.0 / 3), plus: sixth * g.v0), g.v1)
  }

  @inline(__always)
  static func filterAdjoint(_ u: FiveLine) -> TwoLine {
    let (half, sixth) = (Vector(repeating: 0.5), Vector(repeating: 1.0 / 6))
    return TwoLine(
      (u.v0 - u.v1).times(half, plus: sixth * (u.v3 - u.v2)),
      u.v3.times(Vector(repeating: 1.0 / 3), plus: u.v2.times(sixth, plus: u.v4 - half * u.v1)))
  }
}
