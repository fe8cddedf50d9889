import Layers
import Models
import Settings

extension SettingsNode {
  /// The entries of this section `model` that diffusers' `config.json` has: without those that only this program knows.
  ///
  /// - Parameter path: the checkpoint or folder in messages.
  /// - Throws: `ModelFileError` for a network that diffusers' classes cannot compute.
  func publishedEntries(of path: String) throws -> [SettingsEntry] {
    if case .scalar(let padding)? = self[PaddingMode.settingsKey]?.content,
      padding.text != PaddingMode.zeros.rawValue
    {
      throw ModelFileError(
        path,
        "pads periodically (model.padding), which diffusers' classes do not; --format safetensors takes any network"
      )
    }
    return (entries ?? []).filter { $0.key != "kind" && $0.key != PaddingMode.settingsKey }
  }
}
