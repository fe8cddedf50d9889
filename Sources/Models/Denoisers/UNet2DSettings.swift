import Settings

/// The keys of `model` for `kind: unet-2d`: those of diffusers' `UNet2DModel` in its `config.json`, with its defaults.
public struct UNet2DSettings: Hashable, Sendable {
  /// The blocks of one resolution.
  public enum Block: String, CaseIterable, Sendable {
    case plain
    case attention
    /// Residual blocks change the sides.
    case residual
  }

  public let channels: Int
  public let outputChannels: Int
  public let widths: [Int]
  public let down: [Block]
  public let up: [Block]
  public let hasMiddle: Bool
  public let middleAttends: Bool
  public let middleScale: Double
  public let layers: Int
  public let downsamplePadding: Int
  /// Whether residual blocks halve or double the sides of blocks with attention.
  public let resnetDownsamples: Bool
  public let resnetUpsamples: Bool
  public let activation: BlockActivation
  /// nil: one head at each resolution.
  public let headWidth: Int?
  public let groups: Int
  /// Of the attention in the middle; nil: no normalisation.
  public let middleAttentionGroups: Int?
  public let epsilon: Double
  public let scalesAndShifts: Bool
  public let embeddingWidth: Int
  public let cosinesFirst: Bool
  public let frequencyShift: Int
  public let classes: Int?
  public let centersInput: Bool

  static let downBlocks = [
    "DownBlock2D": Block.plain, "AttnDownBlock2D": .attention, "ResnetDownsampleBlock2D": .residual,
  ]
  static let upBlocks = [
    "UpBlock2D": Block.plain, "AttnUpBlock2D": .attention, "ResnetUpsampleBlock2D": .residual,
  ]
  static let middleBlock = "UNetMidBlock2D"

  /// - Throws: `SettingsError`, also for what the published class can compute and this one cannot.
  public init(_ reader: SettingsReader) throws {
    channels = try reader.value("in_channels", default: 3, in: 1...4096, help: "channels of the images")
    outputChannels = try reader.value(
      "out_channels", default: 3, in: 1...8192, help: "channels of the prediction")
    centersInput = try reader.flag(
      "center_input_sample", default: false, help: "whether images x become 2 x - 1 first")
    try reader.computes("time_embedding_type", only: "positional", help: "sinusoids of the timestep")
    widths = try reader.value(
      "block_out_channels", default: [224, 448, 672, 896], in: 1...16_384, count: 1...12,
      help: "channels at each resolution")
    let timeWidth = try reader.nullable(
      "time_embedding_dim", default: nil, in: 1...65_536,
      help: "width of the embedding of the timestep; null: four times the channels at full resolution")
    embeddingWidth = timeWidth ?? 4 * widths[0]
    frequencyShift = try reader.value(
      "freq_shift", default: 0, in: 0...1, help: "by how much fewer intervals than frequencies there are")
    cosinesFirst = try reader.flag(
      "flip_sin_to_cos", default: true, help: "whether cosines come before sines")
    let down = try reader.choices(
      "down_block_types", among: Self.downBlocks.keys.sorted(),
      default: ["DownBlock2D"] + [String](repeating: "AttnDownBlock2D", count: 3),
      help: "the blocks of each resolution")
    let middle = try reader.nullable(
      "mid_block_type", default: Self.middleBlock, help: "the block of the lowest resolution, or null")
    let up = try reader.choices(
      "up_block_types", among: Self.upBlocks.keys.sorted(),
      default: [String](repeating: "AttnUpBlock2D", count: 3) + ["UpBlock2D"],
      help: "the blocks of each resolution on the way up")
    self.down = down.compactMap { Self.downBlocks[$0] }
    self.up = up.compactMap { Self.upBlocks[$0] }
    hasMiddle = middle != nil
    layers = try reader.value(
      "layers_per_block", default: 2, in: 1...64, help: "residual blocks at each resolution")
    middleScale = try reader.value(
      "mid_block_scale_factor", default: 1, in: Above(0.0), help: "divides the sums of the middle block")
    downsamplePadding = try reader.value(
      "downsample_padding", default: 1, in: 0...1,
      help: "1: zeros on each side of what is halved; 0: behind the last row and column only")
    resnetDownsamples = try Self.samplesByResnet(
      reader, "downsample_type", "what halves the sides of an AttnDownBlock2D: conv or resnet; null: conv")
    resnetUpsamples = try Self.samplesByResnet(
      reader, "upsample_type", "what doubles the sides of an AttnUpBlock2D: conv or resnet; null: conv")
    try reader.computes("dropout", only: 0.0, or: [0], help: "dropout in the residual blocks")
    activation = try reader.choice("act_fn", default: BlockActivation.silu, help: "the activation function")
    headWidth = try reader.nullable(
      "attention_head_dim", default: 8, in: 1...16_384, help: "channels of an attention head; null: all")
    groups = try reader.value(
      "norm_num_groups", default: 32, in: 1...16_384, help: "groups of each group normalisation")
    let middleGroups = try reader.nullable(
      "attn_norm_num_groups", default: nil, in: 1...16_384,
      help: "groups of the normalisation before the middle attention")
    epsilon = try reader.value(
      "norm_eps", default: 1e-5, in: Above(0.0), help: "added to variances in normalisations")
    let shift = try reader.choice(
      "resnet_time_scale_shift", among: ["default", "scale_shift"], default: "default",
      help: "whether the embedding of the timestep is added, or scales and shifts")
    scalesAndShifts = shift == "scale_shift"
    middleAttentionGroups = middleGroups ?? (scalesAndShifts ? nil : groups)
    middleAttends = try reader.flag(
      "add_attention", default: true, help: "whether the middle block has attention")
    try reader.computes("class_embed_type", only: .null, help: "how classes are embedded")
    classes = try reader.nullable(
      "num_class_embeds", default: nil, in: 1...1_000_000, help: "classes that the model can be told of")
    reader.kept(
      "sample_size", "num_train_timesteps", "_class_name", "_diffusers_version", "_name_or_path")

    guard middle == nil || middle == Self.middleBlock else {
      throw reader.invalid(
        "mid_block_type", "\(middle ?? "") cannot be computed here, expected \(Self.middleBlock) or null")
    }
    for (key, count) in [("down_block_types", down.count), ("up_block_types", up.count)]
    where count != widths.count {
      throw reader.invalid(key, "has \(count) blocks, block_out_channels has \(widths.count) resolutions")
    }
    try reader.requireMultiple(
      "block_out_channels", widths[0], of: 2,
      "half of the frequencies of the timestep are sines, half cosines")
    for width in widths where width % groups != 0 {
      throw reader.invalid(
        "norm_num_groups", "\(groups) groups do not divide the \(width) channels of a block")
    }
    try requireHeads(reader)
    guard widths[widths.count - 1] % (middleAttentionGroups ?? 1) == 0 else {
      throw reader.invalid(
        "attn_norm_num_groups",
        "\(middleAttentionGroups ?? 1) groups do not divide \(widths[widths.count - 1]) channels")
    }
    for (below, skip) in skips.inputs.joined() where (below + skip) % groups != 0 {
      throw reader.invalid(
        "norm_num_groups",
        "\(groups) groups do not divide \(below) + \(skip) channels, which a block on the way up reads")
    }
  }

  private static func samplesByResnet(
    _ reader: SettingsReader, _ key: String, _ help: String
  ) throws -> Bool {
    let name = try reader.nullable(key, default: "conv", help: help)
    guard let name, name != "conv" else { return false }
    guard name == "resnet" else {
      throw reader.invalid(key, "\(name) cannot be computed here, expected conv, resnet or null")
    }
    return true
  }

  /// Where there is attention, a head has no more channels than there are.
  private func requireHeads(_ reader: SettingsReader) throws {
    guard let headWidth else { return }
    var attending = zip(widths, down).filter { $0.1 == .attention }.map(\.0)
    attending += zip(widths.reversed(), up).filter { $0.1 == .attention }.map(\.0)
    if hasMiddle && middleAttends { attending.append(widths[widths.count - 1]) }
    if let width = attending.first(where: { $0 < headWidth }) {
      throw reader.invalid(
        "attention_head_dim", "a head of \(headWidth) channels is wider than the \(width) of its block")
    }
  }

  var skips: SkipConnections { SkipConnections(widths.map { ($0, layers) }) }

  /// How a block that is not of the lowest resolution halves its sides.
  func downsampling(_ block: Block) -> Downsample2D.Kind {
    let isResidual = block == .residual || block == .attention && resnetDownsamples
    return isResidual ? .residual : .convolution(padding: downsamplePadding)
  }

  /// How a block that is not of full resolution doubles its sides.
  func upsampling(_ block: Block) -> Upsample2D.Kind {
    block == .residual || block == .attention && resnetUpsamples ? .residual : .convolution
  }
}
