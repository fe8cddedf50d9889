import Configuration
import Foundation
import Settings

extension TrainingConfiguration {
  /// Reads a configuration as training does: completed with what its base and its text encoder say of themselves.
  ///
  /// - Throws: as `BaseModel.completing` and `FrozenTextEncoder.completing`; `SettingsError`.
  public init(completing node: SettingsNode) throws {
    try self.init(FrozenTextEncoder.completing(BaseModel.completing(node)))
  }

  /// Reads a configuration to describe or to measure it. Base and text encoder may be missing if it describes their
  /// networks itself.
  ///
  /// - Throws: as `init(completing:)`.
  public init(describing node: SettingsNode) throws {
    func isThere(_ key: String) -> Bool {
      guard case .scalar(let path)? = node[key]?.content else { return false }
      return FileManager.default.fileExists(atPath: path.text)
    }
    let network = TaskSettings.trainsControl(node) ? TaskSettings.denoiserKey : BaseModel.sectionKey
    let needsBase = node[network] == nil || isThere(Self.baseKey)
    let needsEncoder = node[TextEncoderSection.key] == nil || isThere("conditioning.text_encoder")
    let whole = needsBase ? try BaseModel.completing(node) : node
    try self.init(needsEncoder ? FrozenTextEncoder.completing(whole) : whole)
  }
}
