/// The six linear maps of Winograd's F(4x4, 3x3) (Lavin and Gray, 2016), in one dimension, on vectors of channels.
///
/// With input d, filter g and the matrices B, G, A: y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A. The transposed maps are its exact
/// adjoint: dM = A dy Aᵀ gives dd = B (dM ⊙ U) Bᵀ and dg = Gᵀ (dM ⊙ V) G.
enum WinogradTransforms {
  typealias Three<V> = (V, V, V)
  typealias Four<V> = (V, V, V, V)
  typealias Six<V> = (V, V, V, V, V, V)

  /// Bᵀ d.
  @inline(__always)
  static func input<V: SIMD>(_ d: Six<V>) -> Six<V> where V.Scalar == Float {
    let (four, five, two) = (V(repeating: 4), V(repeating: 5), V(repeating: 2))
    let evenNear = d.4 - four * d.2
    let oddNear = d.3 - four * d.1
    let evenFar = d.4 - d.2
    let oddFar = two * (d.3 - d.1)
    return (
      four * d.0 - five * d.2 + d.4, evenNear + oddNear, evenNear - oddNear, evenFar + oddFar,
      evenFar - oddFar,
      four * d.1 - five * d.3 + d.5
    )
  }

  /// B v.
  @inline(__always)
  static func inputAdjoint<V: SIMD>(_ v: Six<V>) -> Six<V> where V.Scalar == Float {
    let (four, five, two) = (V(repeating: 4), V(repeating: 5), V(repeating: 2))
    let (nearSum, nearDifference) = (v.1 + v.2, v.1 - v.2)
    let (farSum, farDifference) = (v.3 + v.4, v.3 - v.4)
    return (
      four * v.0,
      four * (v.5 - nearDifference) - two * farDifference,
      V.zero - five * v.0 - four * nearSum - farSum,
      nearDifference + two * farDifference - five * v.5,
      v.0 + nearSum + farSum,
      v.5
    )
  }

  /// Aᵀ m.
  @inline(__always)
  static func output<V: SIMD>(_ m: Six<V>) -> Four<V> where V.Scalar == Float {
    let (two, four, eight) = (V(repeating: 2), V(repeating: 4), V(repeating: 8))
    let (nearSum, nearDifference) = (m.1 + m.2, m.1 - m.2)
    let (farSum, farDifference) = (m.3 + m.4, m.3 - m.4)
    return (
      m.0 + nearSum + farSum, nearDifference + two * farDifference, nearSum + four * farSum,
      nearDifference + eight * farDifference + m.5
    )
  }

  /// A y.
  @inline(__always)
  static func outputAdjoint<V: SIMD>(_ y: Four<V>) -> Six<V> where V.Scalar == Float {
    let (two, four, eight) = (V(repeating: 2), V(repeating: 4), V(repeating: 8))
    let (evenNear, oddNear) = (y.0 + y.2, y.1 + y.3)
    let (evenFar, oddFar) = (y.0 + four * y.2, two * y.1 + eight * y.3)
    return (y.0, evenNear + oddNear, evenNear - oddNear, evenFar + oddFar, evenFar - oddFar, y.3)
  }

  /// G g.
  @inline(__always)
  static func filter<V: SIMD>(_ g: Three<V>) -> Six<V> where V.Scalar == Float {
    let sixth = V(repeating: 1.0 / 6)
    let near = g.0 + g.2
    let far = V(repeating: 1.0 / 24) * g.0 + sixth * g.2
    let oddFar = V(repeating: 1.0 / 12) * g.1
    return (
      V(repeating: 0.25) * g.0, V.zero - sixth * (near + g.1), V.zero - sixth * (near - g.1), far + oddFar,
      far - oddFar, g.2
    )
  }

  /// Gᵀ u.
  @inline(__always)
  static func filterAdjoint<V: SIMD>(_ u: Six<V>) -> Three<V> where V.Scalar == Float {
    let sixth = V(repeating: 1.0 / 6)
    let near = sixth * (u.1 + u.2)
    let far = u.3 + u.4
    return (
      V(repeating: 0.25) * u.0 - near + V(repeating: 1.0 / 24) * far,
      sixth * (u.2 - u.1) + V(repeating: 1.0 / 12) * (u.3 - u.4),
      sixth * far - near + u.5
    )
  }

  /// Six vectors, `stride` floats apart.
  @inline(__always)
  static func load6<V: SIMD>(
    _ memory: UnsafeMutablePointer<Float>, _ first: Int, _ stride: Int
  ) -> Six<V> where V.Scalar == Float {
    (
      memory.vector(first), memory.vector(first &+ stride), memory.vector(first &+ 2 &* stride),
      memory.vector(first &+ 3 &* stride), memory.vector(first &+ 4 &* stride),
      memory.vector(first &+ 5 &* stride)
    )
  }

  @inline(__always)
  static func store6<V: SIMD>(
    _ values: Six<V>, to memory: UnsafeMutablePointer<Float>, _ first: Int, _ stride: Int
  ) where V.Scalar == Float {
    memory.store(values.0, first)
    memory.store(values.1, first &+ stride)
    memory.store(values.2, first &+ 2 &* stride)
    memory.store(values.3, first &+ 3 &* stride)
    memory.store(values.4, first &+ 4 &* stride)
    memory.store(values.5, first &+ 5 &* stride)
  }
}

extension UnsafePointer<Float> {
  /// The vector at `index`, from any address.
  @inline(__always) func vector<V: SIMD>(_ index: Int, as type: V.Type = V.self) -> V
  where V.Scalar == Float {
    UnsafeRawPointer(self + index).loadUnaligned(as: V.self)
  }
}

extension UnsafeMutablePointer<Float> {
  @inline(__always) func vector<V: SIMD>(_ index: Int, as type: V.Type = V.self) -> V
  where V.Scalar == Float {
    UnsafeRawPointer(self + index).loadUnaligned(as: V.self)
  }

  @inline(__always) func store<V: SIMD>(_ vector: V, _ index: Int) where V.Scalar == Float {
    UnsafeMutableRawPointer(self + index).storeBytes(of: vector, as: V.self)
  }
}
