import Settings

/// The keys of `model` for `kind: attention-unet`: the parameters of ``AttentionUNet``'s PyTorch class, and sizes that
/// it fixes.
public struct AttentionUNetSettings: Hashable, Sendable {
  /// Attention heads, at every resolution.
  static let heads = 4

  public let channels: Int
  public let outputChannels: Int
  /// Width of the timestep embedding.
  public let timeWidth: Int
  /// Side of the images, in pixels.
  public let imageSize: Int
  /// Channels at full resolution; lower resolutions have 2, 4 and 8 times as many.
  public let width: Int

  /// - Throws: `SettingsError`, including for sizes that cannot be halved three times or split into the heads.
  public init(_ reader: SettingsReader) throws {
    channels = try reader.imageChannels(default: 3)
    let outputChannels = try reader.outputChannels("out_channels")
    timeWidth = try reader.value(
      "time_dim", default: 128, in: 4...4096, help: "width of the embedding of the timestep")
    imageSize = try reader.value(
      "image_size", default: 64, in: 8...1024, help: "height and width of the images")
    width = try reader.value("width", default: 64, in: 4...4096, help: "channels at full resolution")
    self.outputChannels = outputChannels ?? channels

    try reader.requireTimeEmbedding("time_dim", timeWidth)
    try reader.requireMultiple("image_size", imageSize, of: 8, "the model halves its images 3 times")
    try reader.requireMultiple(
      "width", width, of: Self.heads, "attention splits the channels into \(Self.heads) heads")
  }
}
