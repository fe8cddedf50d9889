import Settings

/// The keys of transformers' `CLIPVisionConfig`, with its defaults.
public struct CLIPVisionSettings: Hashable, Sendable {
  public let transformer: CLIPTransformerSettings
  /// Channels of the images.
  public let channels: Int
  /// Side of the images, in pixels.
  public let imageSize: Int
  /// Side of a patch, in pixels.
  public let patchSize: Int

  /// - Throws: `SettingsError`, including for incompatible combinations.
  public init(_ reader: SettingsReader) throws {
    transformer = try CLIPTransformerSettings(reader, width: 768, hiddenWidth: 3072, heads: 12)
    channels = try reader.value("num_channels", default: 3, in: 1...1024, help: "channels of the images")
    imageSize = try reader.value(
      "image_size", default: 224, in: 1...65_536, help: "height and width of the images")
    patchSize = try reader.value(
      "patch_size", default: 32, in: 1...65_536, help: "height and width of a patch")
    guard patchSize <= imageSize else {
      throw reader.invalid("patch_size", "must not exceed image_size (\(imageSize)), is \(patchSize)")
    }
  }
}
