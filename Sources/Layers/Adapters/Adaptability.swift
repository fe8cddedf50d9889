/// How an adapter can change the weights of a layer.
public enum Adaptability: Hashable, Sendable {
  /// By changing the weights, or by applying the change to the layer's inputs separately.
  case full
  /// By changing the weights only: the layer uses them in more than one product, so inputs cannot be dropped before
  /// one.
  case merged
  /// By adding to the layer's output: the layer standardises its weights, so changing them would have a different
  /// effect.
  case beside
}
