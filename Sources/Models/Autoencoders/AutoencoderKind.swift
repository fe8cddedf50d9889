import Layers
import Settings

/// The autoencoders, by the names that a configuration has for them.
public enum AutoencoderKind: String, CaseIterable, Sendable {
  case kl = "autoencoder-kl"

  /// The autoencoder that a section of a configuration describes.
  ///
  /// - Parameter builder: of the set that its parameters are the first of.
  /// - Throws: `SettingsError`.
  public static func model(
    _ reader: SettingsReader, _ builder: ParameterBuilder = ParameterBuilder("autoencoder")
  ) throws -> AutoencoderKL {
    switch try reader.requiredChoice("kind", as: AutoencoderKind.self, help: "which network") {
    case .kl: AutoencoderKL(try AutoencoderKLSettings(reader), builder)
    }
  }
}
