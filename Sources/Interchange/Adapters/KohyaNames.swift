/// Module names of kohya's scripts and LyCORIS: PyTorch's names with `_` instead of `.`. They are parsed with a list of
/// those parts of the module names in diffusers and transformers that contain `_` themselves.
enum KohyaNames {
  private static let prefixes: [(AdapterTensors.Component, String)] = [
    (.denoiser, "lora_unet_"), (.textEncoder, "lora_te_"), (.textEncoder, "lora_te1_"),
    (.denoiser, "lycoris_unet_"), (.textEncoder, "lycoris_te_"), (.denoiser, "lycoris_"),
  ]
  /// The former prefix of all names in transformers' text encoders.
  private static let textPrefix = "text_model."

  /// Parts of names that contain `_`, the longest first.
  private static let parts = [
    "controlnet_cond_embedding", "transformer_blocks", "controlnet_down_blocks", "controlnet_mid_block",
    "adaLN_modulation", "class_embedding", "add_embedding", "time_embedding", "time_emb_proj",
    "conv_shortcut", "conv_norm_out", "init_conv", "final_conv", "mid_block1", "mid_block2", "x_embedder",
    "t_embedder", "final_layer", "emb_layer", "down_blocks", "group_norm", "self_attn", "text_model",
    "time_mlp", "mid_block", "mid_attn", "up_blocks", "res_conv", "out_proj", "proj_out", "linear_1",
    "linear_2", "conv_out", "conv_in", "cond_proj", "ff_self", "proj_in", "to_qkv", "q_proj", "k_proj",
    "v_proj", "to_out", "to_k", "to_q", "to_v",
  ].map { (dotted: $0.split(separator: "_").map(String.init), name: $0) }

  /// The component and PyTorch's name of a module; nil for another kind of name.
  static func module(_ name: String) -> (component: AdapterTensors.Component, name: String)? {
    guard let (component, prefix) = prefixes.first(where: { name.hasPrefix($0.1) }) else { return nil }
    let words = name.dropFirst(prefix.count).split(separator: "_", omittingEmptySubsequences: false)
      .map(String.init)
    var parts: [String] = []
    var rest = words[...]
    while let first = rest.first {
      let known = Self.parts.first { rest.starts(with: $0.dotted) }
      parts.append(known?.name ?? first)
      rest = rest.dropFirst(known?.dotted.count ?? 1)
    }
    let dotted = parts.joined(separator: ".")
    return (component, component == .textEncoder ? withoutTextPrefix(dotted) : dotted)
  }

  static func withoutTextPrefix(_ name: String) -> String {
    name.hasPrefix(textPrefix) ? String(name.dropFirst(textPrefix.count)) : name
  }

  /// The name of a component's module.
  static func name(_ module: String, _ component: AdapterTensors.Component) -> String {
    let dotted = component == .textEncoder ? textPrefix + module : module
    let prefix = component == .denoiser ? "lora_unet_" : "lora_te_"
    return prefix + dotted.replacing(".", with: "_")
  }
}
