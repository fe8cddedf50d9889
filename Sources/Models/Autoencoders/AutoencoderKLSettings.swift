import Layers
import Settings

/// The keys of `model` for `kind: autoencoder-kl`: those of diffusers' `AutoencoderKL` in its `config.json`, with its
/// defaults.
public struct AutoencoderKLSettings: Hashable, Sendable {
  public let channels: Int
  public let outputChannels: Int
  public let widths: [Int]
  public let layers: Int
  public let activation: BlockActivation
  public let latentChannels: Int
  public let groups: Int
  /// Factor applied to latents for a denoiser, after `latentShift` has been subtracted.
  public let scalingFactor: Double
  public let latentShift: Double
  public let hasQuantConvolution: Bool
  public let hasPostQuantConvolution: Bool
  public let middleAttends: Bool
  public let paddingMode: PaddingMode

  /// - Throws: `SettingsError`, including for settings that the published class supports and this one does not.
  public init(_ reader: SettingsReader) throws {
    channels = try reader.value("in_channels", default: 3, in: 1...4096, help: "channels of the images")
    outputChannels = try reader.value(
      "out_channels", default: 3, in: 1...4096, help: "channels of the reconstructions")
    let down = try reader.choices(
      "down_block_types", among: ["DownEncoderBlock2D"], default: ["DownEncoderBlock2D"],
      help: "the encoder's blocks of each resolution")
    let up = try reader.choices(
      "up_block_types", among: ["UpDecoderBlock2D"], default: ["UpDecoderBlock2D"],
      help: "the decoder's blocks of each resolution")
    widths = try reader.value(
      "block_out_channels", default: [64], in: 1...16_384, count: 1...12, help: "channels at each resolution")
    layers = try reader.value(
      "layers_per_block", default: 1, in: 1...64, help: "residual blocks at each resolution")
    activation = try reader.choice("act_fn", default: BlockActivation.silu, help: "the activation function")
    latentChannels = try reader.value(
      "latent_channels", default: 4, in: 1...4096, help: "channels of the latents")
    groups = try reader.value(
      "norm_num_groups", default: 32, in: 1...16_384, help: "groups of each group normalisation")
    scalingFactor = try reader.value(
      "scaling_factor", default: 0.18215, in: Above(0.0), help: "brings latents to unit variance")
    latentShift =
      try reader.nullable(
        "shift_factor", default: nil, help: "taken off the latents before they are scaled") ?? 0
    try reader.computes("latents_mean", only: .null, help: "means of the latents by channel")
    try reader.computes("latents_std", only: .null, help: "deviations of the latents by channel")
    hasQuantConvolution = try reader.flag(
      "use_quant_conv", default: true, help: "whether the encoder ends in a 1x1 convolution")
    hasPostQuantConvolution = try reader.flag(
      "use_post_quant_conv", default: true, help: "whether the decoder begins with a 1x1 convolution")
    middleAttends = try reader.flag(
      "mid_block_add_attention", default: true, help: "whether the lowest resolution has attention")
    paddingMode = try reader.paddingMode()
    reader.kept(
      "sample_size", "force_upcast", "_class_name", "_diffusers_version", "_name_or_path")

    for (key, count) in [("down_block_types", down.count), ("up_block_types", up.count)]
    where count != widths.count {
      throw reader.invalid(key, "has \(count) blocks, block_out_channels has \(widths.count) resolutions")
    }
    for width in widths where width % groups != 0 {
      throw reader.invalid(
        "norm_num_groups", "\(groups) groups do not divide the \(width) channels of a block")
    }
  }
}
