import Layers
import Settings

/// The keys of `model` for `kind: unet-2d`: those of diffusers' `UNet2DModel` in its `config.json`, with its defaults.
public struct UNet2DSettings: Hashable, Sendable {
  /// The blocks of one resolution.
  public enum Block: String, CaseIterable, Sendable {
    case plain
    case attention
    /// Residual blocks that change the resolution.
    case residual
  }

  public let common: UNetSettings
  public let down: [Block]
  public let up: [Block]
  public let hasMiddle: Bool
  public let middleAttends: Bool
  public let layers: Int
  /// Whether residual blocks halve or double the resolution in blocks with attention.
  public let resnetDownsamples: Bool
  public let resnetUpsamples: Bool
  /// nil for a single head at each resolution.
  public let headWidth: Int?
  /// Groups of the normalisation before the middle attention; nil for no normalisation.
  public let middleAttentionGroups: Int?

  static let downBlocks = [
    "DownBlock2D": Block.plain, "AttnDownBlock2D": .attention, "ResnetDownsampleBlock2D": .residual,
  ]
  static let upBlocks = [
    "UpBlock2D": Block.plain, "AttnUpBlock2D": .attention, "ResnetUpsampleBlock2D": .residual,
  ]
  static let middleBlock = "UNetMidBlock2D"

  /// - Throws: `SettingsError`, including for settings that the published class supports and this one does not.
  public init(_ reader: SettingsReader) throws {
    common = try UNetSettings(reader, channels: 3, widths: [224, 448, 672, 896])
    let (widths, groups) = (common.widths, common.groups)
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
    resnetDownsamples = try Self.samplesByResnet(
      reader, "downsample_type", "what halves the sides of an AttnDownBlock2D: conv or resnet; null: conv")
    resnetUpsamples = try Self.samplesByResnet(
      reader, "upsample_type", "what doubles the sides of an AttnUpBlock2D: conv or resnet; null: conv")
    headWidth = try reader.nullable(
      "attention_head_dim", default: 8, in: 1...16_384, help: "channels of an attention head; null: all")
    let middleGroups = try reader.nullable(
      "attn_norm_num_groups", default: nil, in: 1...16_384,
      help: "groups of the normalisation before the middle attention")
    middleAttentionGroups = middleGroups ?? (common.scalesAndShifts ? nil : groups)
    middleAttends = try reader.flag(
      "add_attention", default: true, help: "whether the middle block has attention")
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
    try common.check(reader, skips)
    try requireHeads(reader)
    guard widths[widths.count - 1] % (middleAttentionGroups ?? 1) == 0 else {
      throw reader.invalid(
        "attn_norm_num_groups",
        "\(middleAttentionGroups ?? 1) groups do not divide \(widths[widths.count - 1]) channels")
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

  /// Throws if a head is wider than the channels of a block with attention.
  private func requireHeads(_ reader: SettingsReader) throws {
    guard let headWidth else { return }
    let widths = common.widths
    var attending = zip(widths, down).filter { $0.1 == .attention }.map(\.0)
    attending += zip(widths.reversed(), up).filter { $0.1 == .attention }.map(\.0)
    if hasMiddle && middleAttends { attending.append(widths[widths.count - 1]) }
    if let width = attending.first(where: { $0 < headWidth }) {
      throw reader.invalid(
        "attention_head_dim", "a head of \(headWidth) channels is wider than the \(width) of its block")
    }
  }

  var skips: SkipConnections { SkipConnections(common.widths.map { ($0, layers) }) }

  /// How a block above the lowest resolution downsamples.
  func downsampling(_ block: Block) -> Downsample2D.Kind {
    let isResidual = block == .residual || block == .attention && resnetDownsamples
    return isResidual ? .residual : .convolution(padding: common.downsamplePadding)
  }

  /// How a block below full resolution upsamples.
  func upsampling(_ block: Block) -> Upsample2D.Kind {
    block == .residual || block == .attention && resnetUpsamples ? .residual : .convolution
  }
}
