import Layers

/// A parameter set of a parity check.
struct ParitySet {
  let layout: ParameterLayout
  /// The prefix of its tensor names in the case.
  let prefix: String
  /// Whether the case contains its gradients.
  let isTrained: Bool

  init(_ layout: ParameterLayout, prefix: String, isTrained: Bool = true) {
    self.layout = layout
    self.prefix = prefix
    self.isTrained = isTrained
  }
}
