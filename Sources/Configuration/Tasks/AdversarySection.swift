import Layers
import Models
import Settings

extension TaskSettings {
  /// The `discriminator` section: a network trained alongside an autoencoder to tell its reconstructions from images.
  public struct AdversarySection: Sendable {
    public let discriminator: PatchDiscriminator
    /// Number of steps before the discriminator's first.
    public let start: Int
    /// Multiplier of its term in the autoencoder's loss, on top of the factor that balances the two terms.
    public let weight: Double

    package static let key = "discriminator"
    /// Prefix of its tensors' names in checkpoints.
    package static let prefix = "discriminator."

    /// nil if the configuration lacks the section.
    ///
    /// - Parameters:
    ///   - channels: channels of the images.
    ///   - builder: the autoencoder's builder, after all its parameters have been added.
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
