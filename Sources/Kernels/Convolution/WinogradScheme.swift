/// The input and output transforms of one of Winograd's minimal filtering algorithms (Lavin and Gray, 2016) in one
/// dimension, on vectors of channels.
///
/// For input d, filter g and the matrices B, G, A: y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A.
protocol WinogradSide {
  /// One vector for each evaluation point: as many as a tile has inputs.
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
  /// The index of a point among all points of the scheme.
  static func place(_ point: Int) -> Int
}

/// Minimal filtering algorithms with the same taps for long sides of tiles and for shorter ones, which omit one of the
/// points. Image sides that are not a multiple of the long side combine both, with the same transformed filters.
///
/// The transposed maps yield the filter's gradient: dM = A dy Aᵀ, dg = Gᵀ (dM ⊙ V) G.
protocol WinogradScheme {
  associatedtype Long: WinogradSide
  associatedtype Short: WinogradSide
  /// One vector for each tap of the filter.
  associatedtype Taps: VectorLine

  static var taps: Int { get }
  /// The point that short sides omit; nil if there are no short sides.
  static var pointOfLong: Int? { get }

  /// G g.
  static func filter(_ g: Taps) -> Long.Points
  /// Gᵀ u.
  static func filterAdjoint(_ u: Long.Points) -> Taps
}

extension WinogradScheme {
  @inline(__always) static var points: Int { Long.points }
  /// The number of places of a transformed tile, in two dimensions.
  @inline(__always) static var places: Int { points * points }
}
