import Layers
import Models
import Settings

extension TaskSettings {
  /// What is trained beside an autoencoder to tell its reconstructions from images: the section `discriminator`.
  public struct AdversarySection: Sendable {
    public let discriminator: PatchDiscriminator
    /// Steps before its first.
    public let start: Int
    /// What its part of the autoencoder's loss is multiplied by, beside the factor that keeps both parts alike.
    public let weight: Double

    package static let key = "discriminator"
    /// What the names of its tensors begin with in checkpoints.
    package static let prefix = "discriminator."

    /// nil for a configuration without the section.
    ///
    /// - Parameters:
    ///   - channels: of the images.
    ///   - builder: the autoencoder's, whose parameters are all there.
    /// - Throws: `SettingsError`.
    init?(_ sections: SettingsReader, channels: Int, _ builder: ParameterBuilder) throws {
      guard sections.isGiven(Self.key) else { return nil }
      let reader = try sections.section(Self.key)
      start = try reader.required(
        "start", in: 0...4_000_000_000, help: "steps that the autoencoder is trained alone before")
      weight = try reader.value(
        "weight", default: 0.5, in: 0.0...,
        help:
          "of the discriminator's part of the autoencoder's loss, where 1 makes its gradient as long as the rest's"
      )
      discriminator = PatchDiscriminator(
        try PatchDiscriminatorSettings(reader), channels: channels,
        builder[String(Self.prefix.dropLast())])
    }
  }
}
