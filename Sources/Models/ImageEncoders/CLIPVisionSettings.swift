import Settings

/// The keys of transformers' `CLIPVisionConfig`, whose defaults they have.
public struct CLIPVisionSettings: Hashable, Sendable {
  public let transformer: CLIPTransformerSettings
  /// Channels of the images.
  public let channels: Int
  /// Pixels of the images' sides.
  public let imageSize: Int
  /// Pixels of a patch's sides.
  public let patchSize: Int

  /// - Throws: `SettingsError` also for combinations that do not work.
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
