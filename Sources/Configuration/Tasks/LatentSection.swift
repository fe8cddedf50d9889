import Settings

extension TaskSettings {
  /// The autoencoder whose latents a denoiser works on: the `autoencoder` section.
  public struct LatentSection: Hashable, Sendable {
    /// Path of the autoencoder, absolute or relative to the working directory.
    public let path: String
    /// Factor applied to latents; nil uses the one measured during encoding.
    public let scalingFactor: Double?
  }
}

extension TaskSettings.LatentSection {
  init(_ reader: SettingsReader) throws {
    path = try reader.required(
      "path", as: String.self,
      help: "the autoencoder whose latents the dataset holds: a run, a checkpoint or a folder of diffusers")
    scalingFactor = try reader.value(
      "scaling_factor", as: Double.self, in: Above(0.0),
      help: "what latents are multiplied by; null: that of base, or what oboro encode measured")
  }
}
