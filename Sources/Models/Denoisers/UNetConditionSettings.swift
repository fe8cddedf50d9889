import Settings

/// The keys of `model` for `kind: unet-condition`: those of diffusers' `UNet2DConditionModel` in its `config.json`, with
/// its defaults.
public struct UNetConditionSettings: Hashable, Sendable {
  /// What the U-Net has at one resolution.
  public struct Stage: Hashable, Sendable {
    public let width: Int
    /// Residual blocks on the way down; on the way up there is one more.
    public let layers: Int
    public let attendsDown: Bool
    public let attendsUp: Bool
    /// Attention heads, which split the channels.
    public let heads: Int
    /// Blocks of each transformer.
    public let transformerDepth: Int
  }

  /// The block of the lowest resolution.
  public enum Middle: Hashable, Sendable {
    case plain
    case attending
  }

  public let common: UNetSettings
  /// From full resolution down.
  public let stages: [Stage]
  /// nil: there is none.
  public let middle: Middle?
  /// Numbers of a token of the context.
  public let contextWidth: Int
  public let usesLinearProjection: Bool
  public let onlyCrossAttention: Bool
  public let inputKernel: Int
  public let outputKernel: Int

  /// Whether any block attends to the context.
  public var attends: Bool { middle == .attending || stages.contains { $0.attendsDown || $0.attendsUp } }

  /// - Throws: `SettingsError`, also for what the published class can compute and this one cannot.
  public init(_ reader: SettingsReader) throws {
    common = try UNetSettings(reader, channels: 4, widths: [320, 640, 1280, 1280])
    let widths = common.widths
    usesLinearProjection = try reader.flag(
      "use_linear_projection", default: false,
      help: "whether files hold the transformers' projections as linear layers, not as 1x1 convolutions")
    onlyCrossAttention = try reader.flag(
      "only_cross_attention", default: false,
      help: "whether the first attention of a block is to the context as well")
    inputKernel = try reader.value(
      "conv_in_kernel", default: 3, in: 1...31, help: "sides of the first convolution")
    outputKernel = try reader.value(
      "conv_out_kernel", default: 3, in: 1...31, help: "sides of the last convolution")
    middle = try Self.middle(reader)
    let depths = try Self.each(
      reader, "transformer_layers_per_block", default: 1, in: 1...64, widths, "blocks of each transformer")
    let heads = try Self.each(
      reader, "attention_head_dim", default: 8, in: 1...16_384, widths,
      "NUMBER of attention heads, in spite of its name")
    let layers = try Self.each(
      reader, "layers_per_block", default: 2, in: 1...64, widths, "residual blocks at each resolution")
    let contextWidths = try Self.each(
      reader, "cross_attention_dim", default: 1280, in: 1...65_536, widths,
      "numbers of a token of the context")
    contextWidth = contextWidths[0]
    let (down, up) = try Self.blocks(reader, count: widths.count)
    stages = widths.indices.map { index in
      Stage(
        width: widths[index], layers: layers[index], attendsDown: down[index],
        attendsUp: up[widths.count - 1 - index], heads: heads[index], transformerDepth: depths[index])
    }
    try Self.refuseTheRest(reader)
    guard Set(contextWidths).count == 1 else {
      throw reader.invalid(
        "cross_attention_dim", "is \(contextWidths): contexts of several widths cannot be computed here")
    }
    try check(reader)
  }

  private static func middle(_ reader: SettingsReader) throws -> Middle? {
    let kinds = ["UNetMidBlock2DCrossAttn": Middle.attending, "UNetMidBlock2D": .plain]
    let name = try reader.nullable(
      "mid_block_type", default: "UNetMidBlock2DCrossAttn",
      help: "the block of the lowest resolution, or null")
    guard let name else { return nil }
    guard let kind = kinds[name] else {
      throw reader.invalid(
        "mid_block_type",
        "\(name) cannot be computed here, expected \(kinds.keys.sorted().joined(separator: ", ")) or null")
    }
    return kind
  }

  /// Whether the blocks of each resolution attend, on the way down, and on the way up in its order.
  private static func blocks(_ reader: SettingsReader, count: Int) throws -> (down: [Bool], up: [Bool]) {
    func read(_ key: String, _ plain: String, default value: [String]) throws -> [Bool] {
      let attending = "CrossAttn\(plain)"
      let names = try reader.choices(
        key, among: [attending, plain], default: value, help: "the blocks of each resolution")
      guard names.count == count else {
        throw reader.invalid(
          key, "has \(names.count) blocks, block_out_channels has \(count) resolutions")
      }
      return names.map { $0 == attending }
    }
    let down = [String](repeating: "CrossAttnDownBlock2D", count: 3) + ["DownBlock2D"]
    let up = ["UpBlock2D"] + [String](repeating: "CrossAttnUpBlock2D", count: 3)
    return (
      try read("down_block_types", "DownBlock2D", default: down),
      try read("up_block_types", "UpBlock2D", default: up)
    )
  }

  private static func each(
    _ reader: SettingsReader, _ key: String, default value: Int, in bounds: ClosedRange<Int>,
    _ widths: [Int], _ help: String
  ) throws -> [Int] {
    guard
      let values = try reader.oneOrEach(key, default: value, in: bounds, count: widths.count, help: help)
    else { throw reader.invalid(key, "is null, which cannot be computed here") }
    return values
  }

  /// Keys that compute nothing here, and those of which one value can be computed.
  private static func refuseTheRest(_ reader: SettingsReader) throws {
    for key in [
      "num_attention_heads", "reverse_transformer_layers_per_block", "encoder_hid_dim",
      "encoder_hid_dim_type", "addition_embed_type", "time_embedding_act_fn",
      "timestep_post_act", "time_cond_proj_dim",
    ] { try reader.computes(key, only: nil, help: "another kind of conditioning or embedding") }
    try reader.computes("attention_type", only: "default", or: [.null], help: "kind of attention")
    try reader.computes("dual_cross_attention", only: false, or: [.null], help: "two transformers at once")
    try reader.computes(
      "class_embeddings_concat", only: false, or: [.null], help: "classes beside the timestep")
    reader.kept(
      "sample_size", "_class_name", "_diffusers_version", "_name_or_path", "upcast_attention",
      "resnet_skip_time_act", "resnet_out_scale_factor", "cross_attention_norm",
      "mid_block_only_cross_attention", "addition_embed_type_num_heads", "addition_time_embed_dim",
      "projection_class_embeddings_input_dim")
  }

  /// Rules that hold between keys.
  private func check(_ reader: SettingsReader) throws {
    for (key, kernel) in [("conv_in_kernel", inputKernel), ("conv_out_kernel", outputKernel)]
    where kernel % 2 == 0 {
      throw reader.invalid(key, "must be odd, is \(kernel): the prediction is as large as the image")
    }
    try common.check(reader, skips)
    for stage in stages where stage.width < stage.heads {
      throw reader.invalid(
        "attention_head_dim", "\(stage.heads) heads cannot split the \(stage.width) channels of a block")
    }
  }

  var skips: SkipConnections { SkipConnections(stages.map { ($0.width, $0.layers) }) }
}
