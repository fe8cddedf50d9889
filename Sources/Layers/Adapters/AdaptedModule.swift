/// An adapter's change of one module.
public struct AdaptedModule: Hashable, Sendable {
  /// The module's name.
  public let name: String
  public let form: AdapterForm
  /// The factor applied to the product of the factors: alpha / rank.
  public let scale: Float
  /// Whether the adapted weights of each output are rescaled to a trained norm, see `WeightDecomposition`.
  public let isDecomposed: Bool

  public init(name: String, form: AdapterForm, scale: Float, isDecomposed: Bool = false) {
    self.name = name
    self.form = form
    self.scale = scale
    self.isDecomposed = isDecomposed
  }
}
