import Layers
import Settings

/// The keys shared by diffusers' U-Nets, and the constraints between them.
public struct UNetSettings: Hashable, Sendable {
  public let channels: Int
  public let outputChannels: Int
  public let centersInput: Bool
  /// Channels at each resolution, from full resolution down.
  public let widths: [Int]
  public let embeddingWidth: Int
  public let frequencyShift: Int
  public let cosinesFirst: Bool
  public let downsamplePadding: Int
  public let dropout: Float
  public let activation: BlockActivation
  public let groups: Int
  public let epsilon: Float
  public let middleScale: Float
  public let scalesAndShifts: Bool
  public let classes: Int?
  public let paddingMode: PaddingMode

  /// - Parameters:
  ///   - channels: the class's default for `in_channels` and `out_channels`.
  ///   - widths: its default for `block_out_channels`.
  ///   - isWhole: false for a network that is only an encoder: keys that do not exist for it take values without
  ///     effect.
  /// - Throws: `SettingsError`.
  init(_ reader: SettingsReader, channels: Int, widths: [Int], isWhole: Bool = true) throws {
    self.channels = try reader.value(
      "in_channels", default: channels, in: 1...4096, help: "channels of the images")
    outputChannels =
      isWhole
      ? try reader.value(
        "out_channels", default: channels, in: 1...8192, help: "channels of the prediction") : self.channels
    centersInput =
      isWhole
      ? try reader.flag(
        "center_input_sample", default: false, help: "whether images x become 2 x - 1 first") : false
    if isWhole {
      try reader.computes("time_embedding_type", only: "positional", help: "sinusoids of the timestep")
    }
    self.widths = try reader.value(
      "block_out_channels", default: widths, in: 1...16_384, count: 1...12,
      help: "channels at each resolution")
    let timeWidth =
      isWhole
      ? try reader.nullable(
        "time_embedding_dim", default: nil, in: 1...65_536,
        help: "width of the embedding of the timestep; null: four times the channels at full resolution")
      : nil
    embeddingWidth = timeWidth ?? 4 * self.widths[0]
    frequencyShift = try reader.value(
      "freq_shift", default: 0, in: 0...1, help: "by how much fewer intervals than frequencies there are")
    cosinesFirst = try reader.flag(
      "flip_sin_to_cos", default: true, help: "whether cosines come before sines")
    downsamplePadding = try reader.value(
      "downsample_padding", default: 1, in: 0...1,
      help: "1: zeros on each side of what is halved; 0: behind the last row and column only")
    dropout =
      isWhole
      ? Float(
        try reader.value(
          "dropout", default: 0.0, in: 0.0...0.95,
          help: "how often training drops an input of a residual block's second convolution"))
      : 0
    activation = try reader.choice("act_fn", default: BlockActivation.silu, help: "the activation function")
    groups = try reader.value(
      "norm_num_groups", default: 32, in: 1...16_384, help: "groups of each group normalisation")
    epsilon = Float(
      try reader.value(
        "norm_eps", default: 1e-5, in: Above(0.0), help: "added to variances in normalisations"))
    middleScale = Float(
      try reader.value(
        "mid_block_scale_factor", default: 1, in: Above(0.0), help: "divides the sums of the middle block"))
    let shift = try reader.choice(
      "resnet_time_scale_shift", among: ["default", "scale_shift"], default: "default",
      help: "whether the embedding of the timestep is added, or scales and shifts")
    scalesAndShifts = shift == "scale_shift"
    try reader.computes("class_embed_type", only: .null, help: "how classes are embedded")
    classes = try reader.nullable(
      "num_class_embeds", default: nil, in: 1...1_000_000, help: "classes that the model can be told of")
    paddingMode = try reader.paddingMode()
  }

  /// The style of residual blocks outside the middle block.
  var style: ResnetBlock2D.Style {
    ResnetBlock2D.Style(
      embeddingWidth: embeddingWidth, groups: groups, epsilon: epsilon, activation: activation,
      scalesAndShifts: scalesAndShifts, paddingMode: paddingMode, dropout: dropout)
  }

  /// The model's classes; training never drops them.
  var modelClasses: ModelClasses? {
    classes.map { ModelClasses(count: $0, dropout: 0, key: "num_class_embeds") }
  }

  /// The heights and widths that can be halved and doubled again.
  var imageSize: ImageSize { .multiples(of: 1 << (widths.count - 1)) }

  /// Throws unless the channels fit the timestep's frequencies and the groups of normalisations.
  func check(_ reader: SettingsReader, _ skips: SkipConnections) throws {
    try reader.requireMultiple(
      "block_out_channels", widths[0], of: 2,
      "half of the frequencies of the timestep are sines, half cosines")
    for width in widths where width % groups != 0 {
      throw reader.invalid(
        "norm_num_groups", "\(groups) groups do not divide the \(width) channels of a block")
    }
    for (below, skip) in skips.inputs.joined() where (below + skip) % groups != 0 {
      throw reader.invalid(
        "norm_num_groups",
        "\(groups) groups do not divide \(below) + \(skip) channels, which a block on the way up reads")
    }
  }
}
