/// One of Winograd's minimal filters (Lavin and Gray, 2016) in one dimension, on vectors of channels: what it makes of
/// inputs and outputs.
///
/// With input d, filter g and the matrices B, G, A: y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A.
protocol WinogradSide {
  /// One vector for each point that polynomials are evaluated at: as many as a tile has inputs.
  associatedtype Points: VectorLine
  associatedtype Outputs: VectorLine

  static var points: Int { get }
  static var outputs: Int { get }

  /// Bᵀ d.
  static func input(_ d: Points) -> Points
  /// Aᵀ m.
  static func output(_ m: Points) -> Outputs
  /// A y.
  static func outputAdjoint(_ y: Outputs) -> Points
  /// The number of a point among all that the scheme has.
  static func place(_ point: Int) -> Int
}

/// Minimal filters of the same taps: for long sides of tiles, and for shorter ones that do without one of the points.
/// Sides of images that long ones do not divide are made of both. They share the transformed filters.
///
/// The transposed maps give the filter's gradient: dM = A dy Aᵀ, dg = Gᵀ (dM ⊙ V) G.
protocol WinogradScheme {
  associatedtype Long: WinogradSide
  associatedtype Short: WinogradSide
  /// One vector for each tap of the filter.
  associatedtype Taps: VectorLine

  static var taps: Int { get }
  /// The point that short sides do without; nil: there are none.
  static var pointOfLong: Int? { get }

  /// G g.
  static func filter(_ g: Taps) -> Long.Points
  /// Gᵀ u.
  static func filterAdjoint(_ u: Long.Points) -> Taps
}

extension WinogradScheme {
  @inline(__always) static var points: Int { Long.points }
  /// Of a transformed tile, in two dimensions.
  @inline(__always) static var places: Int { points * points }
}
