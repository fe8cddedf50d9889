/// What an adapter can do to the weights of a layer.
public enum Adaptability: Hashable, Sendable {
  /// Change them, or multiply the layer's inputs with what is added to them.
  case full
  /// Change them only: the layer uses them in more than one product, so that nothing can be dropped before one.
  case merged
  /// Add to what the layer computes: it uses its own weights after a standardisation, so that a change of them means
  /// something else.
  case beside
}
