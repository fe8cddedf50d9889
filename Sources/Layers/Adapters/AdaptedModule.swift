/// An adapter's change of one module.
public struct AdaptedModule: Hashable, Sendable {
  /// The module's name.
  public let name: String
  public let form: AdapterForm
  /// The factor applied to the product of the factors: alpha / rank.
  public let scale: Float

  public init(name: String, form: AdapterForm, scale: Float) {
    self.name = name
    self.form = form
    self.scale = scale
  }
}
