import Layers
import Settings

/// The autoencoders by their names in configurations.
public enum AutoencoderKind: String, CaseIterable, Sendable {
  case kl = "autoencoder-kl"

  /// The autoencoder that a section of a configuration describes.
  ///
  /// - Parameter builder: builder of the parameter set, still empty.
  /// - Throws: `SettingsError`.
  public static func model(
    _ reader: SettingsReader, _ builder: ParameterBuilder = ParameterBuilder("autoencoder")
  ) throws -> AutoencoderKL {
    switch try reader.requiredChoice("kind", as: AutoencoderKind.self, help: "which network") {
    case .kl: AutoencoderKL(try AutoencoderKLSettings(reader), builder)
    }
  }
}
