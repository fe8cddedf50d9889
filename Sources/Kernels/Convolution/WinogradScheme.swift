/// The linear maps of one of Winograd's minimal filters (Lavin and Gray, 2016) with four outputs, in one dimension, on
/// vectors of channels.
///
/// With input d, filter g and the matrices B, G, A: y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A. The transposed maps give the filter's
/// gradient: dM = A dy Aᵀ, dg = Gᵀ (dM ⊙ V) G.
protocol WinogradScheme {
  /// One vector for each point that polynomials are evaluated at: as many as a tile has inputs.
  associatedtype Points: VectorLine
  /// One vector for each tap of the filter.
  associatedtype Taps: VectorLine

  static var points: Int { get }
  static var taps: Int { get }

  /// Bᵀ d.
  static func input(_ d: Points) -> Points
  /// Aᵀ m.
  static func output(_ m: Points) -> FourLine
  /// A y.
  static func outputAdjoint(_ y: FourLine) -> Points
  /// G g.
  static func filter(_ g: Taps) -> Points
  /// Gᵀ u.
  static func filterAdjoint(_ u: Points) -> Taps
}

extension WinogradScheme {
  /// Of a transformed tile, in two dimensions.
  @inline(__always) static var places: Int { points * points }
}
