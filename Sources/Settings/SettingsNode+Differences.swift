/// A setting whose value differs between two configurations.
public struct SettingsDifference: Sendable, Equatable, CustomStringConvertible {
  /// The key's path, such as `model.dim`.
  public let path: String
  /// Both values as YAML on one line; nil where the key is missing.
  public let old: String?
  public let new: String?

  /// For example, `model.dim: 28, now 64`.
  public var description: String { "\(path): \(old ?? "missing"), now \(new ?? "missing")" }
}

extension SettingsNode {
  /// The keys whose values differ, in the order of `old`, followed by those that only `new` has. Values are compared by
  /// meaning rather than spelling, and lists as a whole.
  public static func differences(_ old: SettingsNode, _ new: SettingsNode) -> [SettingsDifference] {
    differences(old, new, at: "")
  }

  private static func differences(_ old: SettingsNode?, _ new: SettingsNode?, at path: String)
    -> [SettingsDifference]
  {
    if let oldEntries = old.map(\.entries) ?? [], let newEntries = new.map(\.entries) ?? [] {
      let keys =
        oldEntries.map(\.key) + newEntries.map(\.key).filter { key in !oldEntries.contains { $0.key == key } }
      return keys.flatMap { key in
        differences(
          oldEntries.first { $0.key == key }?.node, newEntries.first { $0.key == key }?.node,
          at: path.isEmpty ? key : "\(path).\(key)")
      }
    }
    return old == new ? [] : [SettingsDifference(path: path, old: old?.flowText, new: new?.flowText)]
  }

  /// The entries of a section; nil for a scalar or a list.
  package var entries: [SettingsEntry]? {
    if case .section(let entries) = content { entries } else { nil }
  }
}
