import Models
import Settings

/// The `text_encoder` section of a configuration: the network of the text encoder that a run changes. A run that leaves
/// its encoder as it is needs no description of it beside `conditioning.text_encoder`, where the weights come from.
package enum TextEncoderSection {
  package static let key = "text_encoder"
  /// Prefix of the names of the encoder's tensors in checkpoints.
  package static let prefix = "text_encoder."

  /// Whether a configuration trains something of its text encoder, so that the section describes it.
  package static func isNeeded(by configuration: SettingsNode) -> Bool {
    switch configuration["\(AdapterSection.key).\(AdapterSettings.textKey)"]?.content {
    case nil: false
    case .scalar(let scalar): ![.nothing, .bool(false)].contains(scalar.meaning)
    case .list, .section: true
    }
  }

  /// - Throws: `SettingsError`.
  static func model(_ reader: SettingsReader) throws -> any TextEncoder {
    guard reader.isGiven(key) else {
      throw reader.invalid(
        key,
        "is missing: expected the configuration of the encoder that conditioning.text_encoder names, with kind: "
          + TextEncoderKind.clipText.rawValue)
    }
    return try TextEncoderKind.model(reader.section(key))
  }
}
