import Layers
import Settings

/// The control networks by their names in configurations.
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

  /// The section of a control network, with missing keys filled in from the section of the denoiser whose encoder it is
  /// initialised from, where both have them.
  ///
  /// - Throws: `SettingsError` if the denoiser's section does not describe one.
  public static func completing(_ section: SettingsNode, from denoiser: SettingsNode) throws -> SettingsNode {
    let known = try SettingsReader(.empty)
    _ = try ControlNetSettings(known)
    // Resolved settings have the padding only if it is given.
    let shared = Set((known.resolved.entries ?? []).map(\.key)).union([PaddingMode.settingsKey])
    let reader = try SettingsReader(denoiser, path: "denoiser")
    _ = try DenoiserKind.model(reader)
    return (reader.resolved.entries ?? []).reduce(section) { section, entry in
      shared.contains(entry.key) && section[entry.key] == nil
        ? section.setting(entry.key, to: entry.node) : section
    }
  }
}
