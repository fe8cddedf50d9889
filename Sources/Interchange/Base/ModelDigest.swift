import Files
import Layers
import Models
import Settings
import Tensors

/// What tells a model with its weights from others, wherever it lies.
public enum ModelDigest {
  /// SHA-256 of the settings on which results depend, and of all tensors as files hold them.
  ///
  /// - Parameter section: the section `model`.
  /// - Throws: `SettingsError`.
  public static func of(
    _ section: SettingsNode, _ layout: ParameterLayout, _ weights: ParameterBuffer
  ) throws -> String {
    let stream = SHA256.Stream()
    for entry in try settings(section) { stream.append(line: "\(entry.key): \(entry.node.json)") }
    stream.append(layout, weights)
    return stream.finish()
  }

  /// In words, what differs between two models' settings.
  static func differences(_ a: SettingsNode, _ b: SettingsNode) throws -> [String] {
    // What is dropped in training is none of the model's.
    func relevant(_ section: SettingsNode) throws -> SettingsNode {
      SettingsNode(.section(try settings(section).filter { $0.key != "dropout" }))
    }
    return SettingsNode.differences(try relevant(a), try relevant(b)).map { "\($0)" }
  }

  /// All settings with their values, but for those that change nothing in what is computed.
  private static func settings(_ section: SettingsNode) throws -> [SettingsEntry] {
    let resolved = try TrainedNetwork.described(by: section).resolved
    return (resolved.entries ?? []).filter { !$0.key.hasPrefix("_") && $0.key != "sample_size" }
      .sorted { $0.key < $1.key }
  }
}
