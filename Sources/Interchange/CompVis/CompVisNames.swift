/// The tensor names of Stable Diffusion's original programs for the classes of diffusers and transformers.
enum CompVisNames {
  /// The prefixes of each part's names.
  enum Prefix {
    static let denoiser = "model.diffusion_model."
    static let autoencoder = "first_stage_model."
    static let textEncoder = "cond_stage_model.transformer."
    /// The prefix of Stable Diffusion 2's encoder, which is open_clip's.
    static let openTextEncoder = "cond_stage_model.model."
    /// The prefix of Stable Diffusion XL's encoders.
    static let severalTextEncoders = "conditioner.embedders"
  }

  /// Where a tensor lies in a file.
  struct Place {
    let name: String
    /// Which of so many equal parts of its rows; nil for all of it.
    let part: (index: Int, count: Int)?

    init(_ name: String, part: (index: Int, count: Int)? = nil) {
      self.name = name
      self.part = part
    }
  }

  /// The name of a tensor of a `UNet2DConditionModel`.
  ///
  /// - Parameters:
  ///   - layers: residual blocks per resolution in the down path; the up path has one more.
  ///   - attendsUp: whether the up blocks of each resolution have attention, in their order.
  static func denoiser(_ name: String, layers: Int, attendsUp: [Bool]) -> String {
    let parts = name.split(separator: ".").map(String.init)
    func number(_ place: Int) -> Int { Int(parts[place]) ?? 0 }
    func rest(from place: Int) -> String { parts[place...].joined(separator: ".") }
    func resnet(from place: Int) -> String {
      ([Self.resnet[parts[place]] ?? parts[place]] + parts[(place + 1)...]).joined(separator: ".")
    }
    let place: String
    switch (parts[0], parts.count > 2 ? parts[2] : "") {
    case ("time_embedding", _): place = "time_embed.\(parts[1] == "linear_1" ? 0 : 2).\(rest(from: 2))"
    case ("conv_in", _): place = "input_blocks.0.0.\(rest(from: 1))"
    case ("conv_norm_out", _): place = "out.0.\(rest(from: 1))"
    case ("conv_out", _): place = "out.2.\(rest(from: 1))"
    case ("mid_block", _):
      place =
        parts[1] == "attentions"
        ? "middle_block.1.\(rest(from: 3))" : "middle_block.\(2 * number(2)).\(resnet(from: 3))"
    // The first convolution counts as a block.
    case ("down_blocks", "downsamplers"):
      place = "input_blocks.\((number(1) + 1) * (layers + 1)).0.op.\(rest(from: 5))"
    case ("down_blocks", "attentions"):
      place = "input_blocks.\(1 + number(1) * (layers + 1) + number(3)).1.\(rest(from: 4))"
    case ("down_blocks", _):
      place = "input_blocks.\(1 + number(1) * (layers + 1) + number(3)).0.\(resnet(from: 4))"
    case ("up_blocks", "upsamplers"):
      let block = number(1)
      place =
        "output_blocks.\(block * (layers + 1) + layers).\(attendsUp[block] ? 2 : 1).\(rest(from: 4))"
    case ("up_blocks", "attentions"):
      place = "output_blocks.\(number(1) * (layers + 1) + number(3)).1.\(rest(from: 4))"
    case ("up_blocks", _):
      place = "output_blocks.\(number(1) * (layers + 1) + number(3)).0.\(resnet(from: 4))"
    default: place = name
    }
    return Prefix.denoiser + place
  }

  /// Modules of a `ResnetBlock2D` of a U-Net.
  private static let resnet = [
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
  ]

  /// The name of a tensor of an `AutoencoderKL` with the given number of resolutions.
  static func autoencoder(_ name: String, resolutions: Int) -> String {
    let parts = name.split(separator: ".").map(String.init)
    guard let (up, level) = half(parts, resolutions) else { return Prefix.autoencoder + name }
    func rest(from place: Int) -> String {
      parts[place...].map { $0 == "conv_shortcut" ? "nin_shortcut" : $0 }.joined(separator: ".")
    }
    let place: String
    switch (parts[1], parts[2]) {
    case ("conv_norm_out", _): place = "norm_out.\(rest(from: 2))"
    case ("mid_block", "attentions"): place = "mid.attn_1.\(attention(parts[4...]))"
    case ("mid_block", _): place = "mid.block_\((Int(parts[3]) ?? 0) + 1).\(rest(from: 4))"
    case ("down_blocks", _), ("up_blocks", _):
      let way = up ? "up" : "down"
      place =
        parts[3] == "resnets"
        ? "\(way).\(level).block.\(rest(from: 4))" : "\(way).\(level).\(way)sample.\(rest(from: 5))"
    default: place = rest(from: 1)
    }
    return "\(Prefix.autoencoder)\(parts[0]).\(place)"
  }

  /// Whether the tensor is the decoder's, and the index of its resolution, counted from full resolution; nil for
  /// tensors outside encoder and decoder.
  private static func half(_ parts: [String], _ resolutions: Int) -> (isDecoder: Bool, level: Int)? {
    let block = parts.count > 2 ? Int(parts[2]) ?? 0 : 0
    switch parts[0] {
    case "encoder": return (false, block)
    case "decoder": return (true, resolutions - 1 - block)
    default: return nil
    }
  }

  private static func attention(_ parts: ArraySlice<String>) -> String {
    let renames = ["group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out": "proj_out"]
    guard let first = parts.first else { return "" }
    // The linear layer of the module `to_out` is at index 0.
    return ([renames[first] ?? first] + parts.dropFirst(first == "to_out" ? 2 : 1)).joined(separator: ".")
  }

  /// The name of a tensor of a `CLIPTextModel`.
  static func textEncoder(_ name: String) -> String { "\(Prefix.textEncoder)text_model.\(name)" }

  /// The place of a tensor of a `CLIPTextModel` in open_clip's text encoder, which holds the weights of queries, keys and
  /// values in one tensor.
  static func openTextEncoder(_ name: String) -> Place {
    let parts = name.split(separator: ".").map(String.init)
    func place(_ name: String, part: (index: Int, count: Int)? = nil) -> Place {
      Place(Prefix.openTextEncoder + name, part: part)
    }
    switch (parts[0], parts.count > 4 ? parts[3] : "") {
    case ("embeddings", _):
      return place(parts[1] == "position_embedding" ? "positional_embedding" : "\(parts[1]).weight")
    case ("final_layer_norm", _): return place("ln_final.\(parts[1])")
    case (_, ""): return place(name)
    case (_, let module):
      let block = "transformer.resblocks.\(parts[2])."
      if let index = ["q_proj", "k_proj", "v_proj"].firstIndex(of: parts[4]) {
        return place("\(block)attn.in_proj_\(parts[5])", part: (index, 3))
      }
      let rest = parts[4...].map { openText[$0] ?? $0 }.joined(separator: ".")
      return place("\(block)\(openText[module] ?? module).\(rest)")
    }
  }

  /// Modules of a layer of open_clip's text encoder.
  private static let openText = [
    "layer_norm1": "ln_1", "layer_norm2": "ln_2", "self_attn": "attn", "fc1": "c_fc", "fc2": "c_proj",
  ]
}
