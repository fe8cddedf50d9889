/// How an adapter changes one module.
public struct AdaptedModule: Hashable, Sendable {
  /// The module's name.
  public let name: String
  public let form: AdapterForm
  /// What the product of the factors is multiplied by: alpha / rank.
  public let scale: Float

  public init(name: String, form: AdapterForm, scale: Float) {
    self.name = name
    self.form = form
    self.scale = scale
  }
}
