import Models
import Settings

// Settings inferred from the shapes of tensors.

extension CompVisFile {
  private func shape(_ name: String) throws -> [Int] {
    guard file.contains(name) else { throw ModelFileError(file.path, "lacks \(name)") }
    return try file.shape(of: name)
  }

  /// The number of consecutive tensors `name(0)`, `name(1)`, ...
  private func count(_ name: (Int) -> String) -> Int {
    var count = 0
    while file.contains(name(count)) { count += 1 }
    return count
  }

  /// The settings of the U-Net; whether its up blocks have attention, from the lowest resolution; and the number of
  /// residual blocks per resolution.
  ///
  /// - Parameter predictsVelocity: as Stable Diffusion 2's models of 768x768 pixels do.
  func denoiser(predictsVelocity: Bool) throws -> (SettingsNode, attendsUp: [Bool], layers: Int) {
    let input = Prefix.denoiser + "input_blocks."
    let output = Prefix.denoiser + "output_blocks."
    func isDownsampling(_ block: Int) -> Bool { file.contains("\(input)\(block).0.op.weight") }
    let blocks =
      1
      + count { block in
        "\(input)\(block + 1).0.\(isDownsampling(block + 1) ? "op" : "in_layers.0").weight"
      }
    let downsamplings = (0..<blocks).filter(isDownsampling)
    let layers = (downsamplings.first ?? blocks) - 1
    let resolutions = downsamplings.count + 1
    guard layers > 0, blocks == resolutions * (layers + 1) else {
      throw ModelFileError(
        file.path,
        "its U-Net's input_blocks are not as many at each resolution: \(blocks) in \(resolutions) resolutions"
      )
    }
    let first = (0..<resolutions).map { 1 + $0 * (layers + 1) }
    let attends = first.map { file.contains("\(input)\($0).1.norm.weight") }
    let attendsUp = (0..<resolutions).map { file.contains("\(output)\($0 * (layers + 1)).1.norm.weight") }
    let middle = Prefix.denoiser + "middle_block.1."
    let depth = count { "\(middle)transformer_blocks.\($0).norm1.weight" }
    let widths = try first.map { try shape("\(input)\($0).0.out_layers.3.weight")[0] }
    let (entrance, exit) = (try shape("\(input)0.0.weight"), try shape(Prefix.denoiser + "out.2.weight"))
    let section: SettingsNode = [
      "kind": SettingsNode(DenoiserKind.unetCondition.rawValue),
      "in_channels": SettingsNode(entrance[1]), "out_channels": SettingsNode(exit[0]),
      "block_out_channels": SettingsNode(widths),
      "layers_per_block": SettingsNode(layers),
      "down_block_types": SettingsNode(attends.map { $0 ? "CrossAttnDownBlock2D" : "DownBlock2D" }),
      "up_block_types": SettingsNode(attendsUp.map { $0 ? "CrossAttnUpBlock2D" : "UpBlock2D" }),
      "cross_attention_dim": SettingsNode(try shape("\(middle)transformer_blocks.0.attn2.to_k.weight")[1]),
      "transformer_layers_per_block": SettingsNode(depth),
      "use_linear_projection": SettingsNode(try shape("\(middle)proj_in.weight").count == 2),
      // The number of heads, in spite of the key's name.
      "attention_head_dim": isSecondVersion ? SettingsNode(widths.map { max($0 / 64, 1) }) : 8,
      "sample_size": predictsVelocity ? 96 : 64,
    ]
    return (section, attendsUp, layers)
  }

  /// The settings of the autoencoder, and its number of resolutions.
  func autoencoder() throws -> (SettingsNode, resolutions: Int) {
    let encoder = Prefix.autoencoder + "encoder."
    let resolutions = count { "\(encoder)down.\($0).block.0.conv1.weight" }
    let section: SettingsNode = [
      "kind": SettingsNode(AutoencoderKind.kl.rawValue),
      "in_channels": SettingsNode(try shape("\(encoder)conv_in.weight")[1]),
      "out_channels": SettingsNode(try shape(Prefix.autoencoder + "decoder.conv_out.weight")[0]),
      "block_out_channels": SettingsNode(
        try (0..<resolutions).map { try shape("\(encoder)down.\($0).block.0.conv1.weight")[0] }),
      "layers_per_block": SettingsNode(count { "\(encoder)down.0.block.\($0).conv1.weight" }),
      "down_block_types": SettingsNode([String](repeating: "DownEncoderBlock2D", count: resolutions)),
      "up_block_types": SettingsNode([String](repeating: "UpDecoderBlock2D", count: resolutions)),
      "latent_channels": SettingsNode(try shape("\(encoder)conv_out.weight")[0] / 2),
      "scaling_factor": 0.18215, "sample_size": SettingsNode(64 << max(resolutions - 1, 0)),
    ]
    return (section, resolutions)
  }

  func textEncoder() throws -> SettingsNode {
    let layers = textLayers - (isSecondVersion ? 1 : 0)
    guard layers > 0 else { throw ModelFileError(file.path, "has no text encoder with layers that are used") }
    let embedding = try shape(textName("embeddings.token_embedding.weight"))
    return [
      "kind": SettingsNode(TextEncoderKind.clipText.rawValue),
      "vocab_size": SettingsNode(embedding[0]), "hidden_size": SettingsNode(embedding[1]),
      "max_position_embeddings": SettingsNode(
        try shape(textName("embeddings.position_embedding.weight"))[0]),
      "num_hidden_layers": SettingsNode(layers),
      "num_attention_heads": SettingsNode(max(embedding[1] / 64, 1)),
      "intermediate_size": SettingsNode(try shape(textName("encoder.layers.0.mlp.fc1.weight"))[0]),
      "hidden_act": isSecondVersion ? "gelu" : "quick_gelu",
      "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1,
    ]
  }

  /// The number of layers of the text encoder in the file.
  private var textLayers: Int {
    count { textName("encoder.layers.\($0).layer_norm1.weight") }
  }

  /// The name in the file of a tensor of the text encoder.
  private func textName(_ name: String) -> String {
    isSecondVersion ? CompVisNames.openTextEncoder(name).name : CompVisNames.textEncoder(name)
  }

  /// Prefixes of the tensors of open_clip's text encoder that Stable Diffusion 2 does not use: it reads the output of
  /// the last but one layer.
  var openTextOthers: [String] {
    ["transformer.resblocks.\(textLayers - 1).", "text_projection", "logit_scale"].map {
      Prefix.openTextEncoder + $0
    }
  }
}
