import Settings

/// A key used by an earlier version, with its present name.
private struct RenamedKey {
  let section: String
  let key: String
  let newSection: String
  let newKey: String

  static let all = [
    RenamedKey(section: "training", key: "slices", newSection: "training", newKey: "microbatches"),
    RenamedKey(
      section: "training", key: "answer_timeout_seconds", newSection: "training",
      newKey: "heartbeat_timeout_seconds"),
    RenamedKey(section: "training", key: "ema_decay", newSection: "ema", newKey: "decay"),
    RenamedKey(section: "diffusion", key: "objective", newSection: "diffusion", newKey: "prediction"),
  ]
}

extension SettingsReader {
  /// Makes errors about renamed keys of the section mention their present names.
  func tellOfEarlierKeys(in section: String) {
    for change in RenamedKey.all where change.section == section {
      renamed(change.key, to: "\(change.newSection).\(change.newKey)")
    }
  }
}

extension SettingsNode {
  /// This configuration, as stored in a run or checkpoint, with renamed keys replaced by their present names, so that
  /// models trained with an earlier version can still be sampled and trained further. Configurations given by a user
  /// are rejected instead, with an error that names the new keys.
  package var withTodaysKeys: SettingsNode {
    RenamedKey.all.reduce(self) { configuration, change in
      guard let section = configuration[change.section], let value = section[change.key] else {
        return configuration
      }
      let without = configuration.setting(change.section, to: section.removing(change.key))
      let target = without[change.newSection] ?? .empty
      return without.setting(change.newSection, to: target.setting(change.newKey, to: value))
    }
  }

  private func removing(_ key: String) -> SettingsNode {
    SettingsNode(.section((entries ?? []).filter { $0.key != key }), location: location)
  }
}
