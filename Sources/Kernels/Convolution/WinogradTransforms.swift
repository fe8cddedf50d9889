/// The six linear maps of Winograd's F(4x4, 3x3) (Lavin and Gray, 2016), in one dimension, on vectors of channels.
///
/// With input d, filter g and the matrices B, G, A: y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A. The transposed maps give the filter's
/// gradient: dM = A dy Aᵀ, dg = Gᵀ (dM ⊙ V) G.
enum WinogradTransforms {
  typealias Three = (Vector, Vector, Vector)
  typealias Four = (Vector, Vector, Vector, Vector)
  typealias Six = (Vector, Vector, Vector, Vector, Vector, Vector)

  /// Bᵀ d.
  @inline(__always)
  static func input(_ d: Six) -> Six {
    let (four, two, minusTwo) = (Vector(repeating: 4), Vector(repeating: 2), Vector(repeating: -2))
    let (minusFour, minusFive) = (Vector(repeating: -4), Vector(repeating: -5))
    let evenNear = d.2.times(minusFour, plus: d.4)
    let oddNear = d.1.times(minusFour, plus: d.3)
    let evenFar = d.4 - d.2
    let oddFar = d.3 - d.1
    return (
      d.0.times(four, plus: d.2.times(minusFive, plus: d.4)), evenNear + oddNear, evenNear - oddNear,
      oddFar.times(two, plus: evenFar), oddFar.times(minusTwo, plus: evenFar),
      d.1.times(four, plus: d.3.times(minusFive, plus: d.5))
    )
  }

  /// Aᵀ m.
  @inline(__always)
  static func output(_ m: Six) -> Four {
    let (two, four, eight) = (Vector(repeating: 2), Vector(repeating: 4), Vector(repeating: 8))
    let (nearSum, nearDifference) = (m.1 + m.2, m.1 - m.2)
    let (farSum, farDifference) = (m.3 + m.4, m.3 - m.4)
    return (
      m.0 + nearSum + farSum, farDifference.times(two, plus: nearDifference),
      farSum.times(four, plus: nearSum),
      farDifference.times(eight, plus: nearDifference) + m.5
    )
  }

  /// A y.
  @inline(__always)
  static func outputAdjoint(_ y: Four) -> Six {
    let (two, minusTwo, four) = (Vector(repeating: 2), Vector(repeating: -2), Vector(repeating: 4))
    let (evenNear, oddNear) = (y.0 + y.2, y.1 + y.3)
    let (evenFar, oddFar) = (y.2.times(four, plus: y.0), y.3.times(four, plus: y.1))
    return (
      y.0, evenNear + oddNear, evenNear - oddNear, oddFar.times(two, plus: evenFar),
      oddFar.times(minusTwo, plus: evenFar), y.3
    )
  }

  /// G g.
  @inline(__always)
  static func filter(_ g: Three) -> Six {
    let (sixth, minusSixth) = (Vector(repeating: 1.0 / 6), Vector(repeating: -1.0 / 6))
    let near = g.0 + g.2
    let far = g.0.times(Vector(repeating: 1.0 / 24), plus: sixth * g.2)
    let oddFar = Vector(repeating: 1.0 / 12) * g.1
    return (
      Vector(repeating: 0.25) * g.0, minusSixth * (near + g.1), minusSixth * (near - g.1), far + oddFar,
      far - oddFar, g.2
    )
  }

  /// Gᵀ u.
  @inline(__always)
  static func filterAdjoint(_ u: Six) -> Three {
    let sixth = Vector(repeating: 1.0 / 6)
    let near = sixth * (u.1 + u.2)
    let far = u.3 + u.4
    return (
      u.0.times(Vector(repeating: 0.25), plus: far * Vector(repeating: 1.0 / 24) - near),
      (u.2 - u.1).times(sixth, plus: Vector(repeating: 1.0 / 12) * (u.3 - u.4)),
      far.times(sixth, plus: u.5 - near)
    )
  }

  /// Six vectors, `stride` floats apart.
  @inline(__always)
  static func load6(_ memory: UnsafePointer<Float>, _ stride: Int) -> Six {
    (
      Vector(from: memory), Vector(from: memory + stride), Vector(from: memory + 2 &* stride),
      Vector(from: memory + 3 &* stride), Vector(from: memory + 4 &* stride),
      Vector(from: memory + 5 &* stride)
    )
  }

  @inline(__always)
  static func store6(_ values: Six, to memory: UnsafeMutablePointer<Float>, _ stride: Int) {
    values.0.store(to: memory)
    values.1.store(to: memory + stride)
    values.2.store(to: memory + 2 &* stride)
    values.3.store(to: memory + 3 &* stride)
    values.4.store(to: memory + 4 &* stride)
    values.5.store(to: memory + 5 &* stride)
  }
}
