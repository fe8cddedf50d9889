import Layers

/// A set of parameters of a parity check.
struct ParitySet {
  let layout: ParameterLayout
  /// What names of its tensors begin with in the case.
  let prefix: String
  /// Whether the case has gradients of it.
  let isTrained: Bool

  init(_ layout: ParameterLayout, prefix: String, isTrained: Bool = true) {
    self.layout = layout
    self.prefix = prefix
    self.isTrained = isTrained
  }
}
