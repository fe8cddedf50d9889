import Models
import Settings

extension TaskSettings {
  /// Text and image encoders, with the tokeniser for captions.
  public struct ContrastiveSection: Sendable {
    public let model: CLIP
    /// Path of the tokeniser, absolute or relative to the working directory.
    public let tokenizer: String
  }
}

extension TaskSettings.ContrastiveSection {
  init(_ model: SettingsReader, _ reader: SettingsReader) throws {
    self.model = try ContrastiveKind.model(model)
    tokenizer = try reader.required(
      "tokenizer", as: String.self, help: "the folder of the tokeniser that makes tokens of captions")
  }
}
