import Layers
import Models
import Settings

extension SettingsNode {
  /// This section `model` as diffusers' `config.json` has it: without the keys that only this program knows.
  ///
  /// - Parameters:
  ///   - className: diffusers' class, named first; nil leaves it to the caller.
  ///   - path: the checkpoint or folder in messages.
  /// - Throws: `ModelFileError` for a network that diffusers' classes cannot compute.
  func published(as className: String? = nil, of path: String) throws -> SettingsNode {
    if case .scalar(let padding)? = self[PaddingMode.settingsKey]?.content,
      padding.text != PaddingMode.zeros.rawValue
    {
      throw ModelFileError(
        path,
        "pads periodically (model.padding), which diffusers' classes do not; --format safetensors takes any network"
      )
    }
    let classEntry = className.map {
      SettingsEntry(key: PipelineFolder.Name.pipelineClass, node: SettingsNode($0))
    }
    let own = ["kind", PaddingMode.settingsKey] + (classEntry.map { [$0.key] } ?? [])
    return SettingsNode(
      .section((classEntry.map { [$0] } ?? []) + (entries ?? []).filter { !own.contains($0.key) }))
  }
}
