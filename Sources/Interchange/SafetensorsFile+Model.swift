import Safetensors
import Settings

extension SafetensorsFile {
  /// The section `model` of a configuration that the metadata hold, in a file made by `oboro convert`.
  ///
  /// - Throws: `ModelFileError` if there is none; `SettingsError` if it is not valid.
  func modelSection() throws -> SettingsNode {
    guard let text = metadata["model"] else {
      throw ModelFileError(
        path,
        "its metadata do not say which model its tensors are of: name diffusers' folder, or a checkpoint")
    }
    return try SettingsNode(yaml: text, source: "\(path), metadata model")
  }
}
