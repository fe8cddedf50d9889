import Settings

/// The keys of a network of `kind: controlnet`: those of diffusers' `ControlNetModel` in its `config.json`, with its
/// defaults.
public struct ControlNetSettings: Hashable, Sendable {
  public let encoder: UNetEncoderSettings
  public let conditionChannels: Int
  /// Channels of the convolutions that embed the condition; all but the first halve the resolution.
  public let embeddingWidths: [Int]
  /// Whether the channels of the condition are reversed.
  public let reversesChannels: Bool

  /// - Throws: `SettingsError`, including for settings that the published class supports and this one does not.
  public init(_ reader: SettingsReader) throws {
    encoder = try UNetEncoderSettings(reader, isWhole: false)
    conditionChannels = try reader.value(
      "conditioning_channels", default: 3, in: 1...4096, help: "channels of the image that controls")
    embeddingWidths = try reader.value(
      "conditioning_embedding_out_channels", default: [16, 32, 96, 256], in: 1...16_384, count: 1...12,
      help: "channels of the convolutions that see it; each but the first halves its sides")
    let order = try reader.choice(
      "controlnet_conditioning_channel_order", among: ["rgb", "bgr"], default: "rgb",
      help: "whether its channels go in as they are, or from the last to the first")
    reversesChannels = order == "bgr"
    try reader.computes(
      "global_pool_conditions", only: false, or: [.null], help: "residuals of whole images")
    try encoder.check(reader, skips)
  }

  var skips: SkipConnections { SkipConnections(encoder.stages.map { ($0.width, $0.layers) }) }
}
