import Settings

/// The keys shared by diffusers' `UNet2DConditionModel` and `ControlNetModel`: those of the half from images to the
/// lowest resolution.
public struct UNetEncoderSettings: Hashable, Sendable {
  /// The encoder's layers at one resolution.
  public struct Stage: Hashable, Sendable {
    public let width: Int
    /// Number of residual blocks.
    public let layers: Int
    public let attends: Bool
    /// Number of attention heads, which split the channels.
    public let heads: Int
    /// Number of blocks per transformer.
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
  /// nil if there is none.
  public let middle: Middle?
  /// Width of a context token.
  public let contextWidth: Int
  public let usesLinearProjection: Bool
  public let onlyCrossAttention: Bool
  public let inputKernel: Int

  /// Whether any block attends to the context.
  var attends: Bool { middle == .attending || stages.contains { $0.attends } }

  /// - Parameter isWhole: false for a network that is only an encoder, see `UNetSettings`.
  /// - Throws: `SettingsError`, including for settings that the published class supports and this one does not.
  init(_ reader: SettingsReader, isWhole: Bool) throws {
    common = try UNetSettings(reader, channels: 4, widths: [320, 640, 1280, 1280], isWhole: isWhole)
    let widths = common.widths
    usesLinearProjection = try reader.flag(
      "use_linear_projection", default: false,
      help: "whether files hold the transformers' projections as linear layers, not as 1x1 convolutions")
    onlyCrossAttention = try reader.flag(
      "only_cross_attention", default: false,
      help: "whether the first attention of a block is to the context as well")
    inputKernel =
      isWhole
      ? try reader.value("conv_in_kernel", default: 3, in: 1...31, help: "sides of the first convolution") : 3
    middle = try Self.middle(reader, isOptional: isWhole)
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
    let attending = try Self.blocks(
      reader, "down_block_types", "DownBlock2D",
      default: [String](repeating: "CrossAttnDownBlock2D", count: 3) + ["DownBlock2D"], count: widths.count)
    stages = widths.indices.map { index in
      Stage(
        width: widths[index], layers: layers[index], attends: attending[index], heads: heads[index],
        transformerDepth: depths[index])
    }
    try Self.refuseTheRest(reader)
    guard Set(contextWidths).count == 1 else {
      throw reader.invalid(
        "cross_attention_dim", "is \(contextWidths): contexts of several widths cannot be computed here")
    }
  }

  private static func middle(_ reader: SettingsReader, isOptional: Bool) throws -> Middle? {
    let kinds = ["UNetMidBlock2DCrossAttn": Middle.attending, "UNetMidBlock2D": .plain]
    let name = try reader.nullable(
      "mid_block_type", default: "UNetMidBlock2DCrossAttn",
      help: "the block of the lowest resolution\(isOptional ? ", or null" : "")")
    if name == nil && isOptional { return nil }
    guard let kind = name.flatMap({ kinds[$0] }) else {
      throw reader.invalid(
        "mid_block_type",
        "\(name ?? "null") cannot be computed here, expected \(kinds.keys.sorted().joined(separator: ", "))"
          + (isOptional ? " or null" : ""))
    }
    return kind
  }

  /// Whether each of the blocks listed by `key` attends: those named `plain` do not.
  static func blocks(
    _ reader: SettingsReader, _ key: String, _ plain: String, default value: [String], count: Int
  ) throws -> [Bool] {
    let attending = "CrossAttn\(plain)"
    let names = try reader.choices(
      key, among: [attending, plain], default: value, help: "the blocks of each resolution")
    guard names.count == count else {
      throw reader.invalid(
        key, "has \(names.count) blocks, block_out_channels has \(count) resolutions")
    }
    return names.map { $0 == attending }
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

  /// Rejects unsupported keys, and keeps those without effect on the computation.
  private static func refuseTheRest(_ reader: SettingsReader) throws {
    for key in ["num_attention_heads", "encoder_hid_dim", "encoder_hid_dim_type", "addition_embed_type"] {
      try reader.computes(key, only: nil, help: "another kind of conditioning or embedding")
    }
    reader.kept(
      "_class_name", "_diffusers_version", "_name_or_path", "upcast_attention",
      "addition_embed_type_num_heads", "addition_time_embed_dim", "projection_class_embeddings_input_dim")
  }

  /// Checks constraints between keys.
  ///
  /// - Parameter skips: skip connections of the upsampling path.
  func check(_ reader: SettingsReader, _ skips: SkipConnections) throws {
    if inputKernel % 2 == 0 {
      throw reader.invalid(
        "conv_in_kernel", "must be odd, is \(inputKernel): the prediction is as large as the image")
    }
    try common.check(reader, skips)
    for stage in stages where stage.width < stage.heads {
      throw reader.invalid(
        "attention_head_dim", "\(stage.heads) heads cannot split the \(stage.width) channels of a block")
    }
  }
}
