import Files
import Layers
import Models
import Settings
import Tensors

/// Identifies a model and its weights, independently of their path.
public enum ModelDigest {
  /// SHA-256 of the settings that affect results, and of all tensors as stored in files.
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

  /// Describes the differences between two models' settings.
  static func differences(_ a: SettingsNode, _ b: SettingsNode) throws -> [String] {
    // Dropout affects only training.
    func relevant(_ section: SettingsNode) throws -> SettingsNode {
      SettingsNode(.section(try settings(section).filter { $0.key != "dropout" }))
    }
    return SettingsNode.differences(try relevant(a), try relevant(b)).map { "\($0)" }
  }

  /// All settings with their values, except those that do not affect computation.
  private static func settings(_ section: SettingsNode) throws -> [SettingsEntry] {
    let resolved = try TrainedNetwork.described(by: section).resolved
    return (resolved.entries ?? []).filter { !$0.key.hasPrefix("_") && $0.key != "sample_size" }
      .sorted { $0.key < $1.key }
  }
}
