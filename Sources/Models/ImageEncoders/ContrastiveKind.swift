import Settings

/// Pairs of contrastively trained encoders, by their names in configurations.
public enum ContrastiveKind: String, CaseIterable, Sendable {
  case clip

  /// The encoders that a section of a configuration describes.
  ///
  /// - Throws: `SettingsError`.
  public static func model(_ reader: SettingsReader) throws -> CLIP {
    switch try reader.requiredChoice("kind", as: ContrastiveKind.self, help: "which network") {
    case .clip: CLIP(try CLIPSettings(reader))
    }
  }
}
