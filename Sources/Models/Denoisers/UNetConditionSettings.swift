import Settings

/// The keys of `model` for `kind: unet-condition`: those of diffusers' `UNet2DConditionModel` in its `config.json`, with
/// its defaults.
public struct UNetConditionSettings: Hashable, Sendable {
  public let encoder: UNetEncoderSettings
  /// For each resolution, from full resolution down: whether the blocks of the upsampling path attend. It has one more
  /// block per resolution than the downsampling path.
  public let attendsUp: [Bool]
  public let outputKernel: Int

  var common: UNetSettings { encoder.common }

  /// Whether any block attends to the context.
  public var attends: Bool { encoder.attends || attendsUp.contains(true) }

  /// - Throws: `SettingsError`, including for settings that the published class supports and this one does not.
  public init(_ reader: SettingsReader) throws {
    encoder = try UNetEncoderSettings(reader, isWhole: true)
    outputKernel = try reader.value(
      "conv_out_kernel", default: 3, in: 1...31, help: "sides of the last convolution")
    // Listed from the lowest resolution up.
    attendsUp = try UNetEncoderSettings.blocks(
      reader, "up_block_types", "UpBlock2D",
      default: ["UpBlock2D"] + [String](repeating: "CrossAttnUpBlock2D", count: 3),
      count: encoder.stages.count
    ).reversed()
    try Self.refuseTheRest(reader)
    guard outputKernel % 2 == 1 else {
      throw reader.invalid(
        "conv_out_kernel", "must be odd, is \(outputKernel): the prediction is as large as the image")
    }
    try encoder.check(reader, skips)
  }

  /// Rejects unsupported keys, and unsupported values of keys of which only one is supported.
  private static func refuseTheRest(_ reader: SettingsReader) throws {
    for key in [
      "reverse_transformer_layers_per_block", "time_embedding_act_fn", "timestep_post_act",
      "time_cond_proj_dim",
    ] { try reader.computes(key, only: nil, help: "another kind of conditioning or embedding") }
    try reader.computes("attention_type", only: "default", or: [.null], help: "kind of attention")
    try reader.computes("dual_cross_attention", only: false, or: [.null], help: "two transformers at once")
    try reader.computes(
      "class_embeddings_concat", only: false, or: [.null], help: "classes beside the timestep")
    reader.kept(
      "sample_size", "resnet_skip_time_act", "resnet_out_scale_factor", "cross_attention_norm",
      "mid_block_only_cross_attention")
  }

  var skips: SkipConnections { SkipConnections(encoder.stages.map { ($0.width, $0.layers) }) }
}
