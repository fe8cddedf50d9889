import Settings

/// The networks that control denoisers, by the names that a configuration has for them.
public enum ControlKind: String, CaseIterable, Sendable {
  case controlNet = "controlnet"

  /// The network that a section of a configuration describes.
  ///
  /// - Throws: `SettingsError`.
  public static func model(_ reader: SettingsReader) throws -> any ControlNetwork {
    switch try reader.requiredChoice("kind", as: ControlKind.self, help: "which network") {
    case .controlNet: ControlNet(try ControlNetSettings(reader))
    }
  }
}
