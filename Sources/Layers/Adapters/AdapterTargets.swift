/// The modules of a model that an adapter is attached to: a preset, or modules selected by name.
public enum AdapterTargets: Hashable, Sendable {
  /// Sets of modules, distinguished by their names.
  public enum Preset: String, CaseIterable, Sendable {
    /// The projections to queries, keys and values, and the output projections of attention.
    case attention
    /// All linear layers and 1x1 convolutions of transformers.
    case transformer
    /// Every linear layer and convolution.
    case all
  }

  case preset(Preset)
  /// Suffixes of module names, such as `to_q` or `to_out.0`, matched as in peft.
  case names([String])

  private static let attention = [
    "to_q", "to_k", "to_v", "to_out.0", "to_qkv", "to_out", "attn.qkv", "attn.proj", "q_proj", "k_proj",
    "v_proj", "out_proj",
  ]
  private static let perceptrons = [
    "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2", "mlp.fc1", "mlp.fc2", "ff_self.1", "ff_self.3",
  ]

  /// Whether the module of this name is targeted.
  public func contains(_ module: String) -> Bool {
    switch self {
    case .preset(.all): true
    case .preset(.attention): Self.isOne(module, of: Self.attention)
    case .preset(.transformer): Self.isOne(module, of: Self.attention + Self.perceptrons)
    case .names(let names): Self.isOne(module, of: names)
    }
  }

  static func isOne(_ module: String, of names: [String]) -> Bool {
    names.contains { module == $0 || module.hasSuffix(".\($0)") }
  }
}
