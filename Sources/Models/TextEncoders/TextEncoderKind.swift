import Settings

/// The text encoders by their names in configurations.
public enum TextEncoderKind: String, CaseIterable, Sendable {
  case clipText = "clip-text"

  /// The encoder that a section of a configuration describes.
  ///
  /// - Throws: `SettingsError`.
  public static func model(_ reader: SettingsReader) throws -> any TextEncoder {
    switch try reader.requiredChoice("kind", as: TextEncoderKind.self, help: "which network") {
    case .clipText: CLIPTextModel(try CLIPTextSettings(reader))
    }
  }
}
