import Settings

/// A key of an earlier version, and where its value is now.
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
  /// Makes errors about the section's keys of earlier versions name those of today.
  func tellOfEarlierKeys(in section: String) {
    for change in RenamedKey.all where change.section == section {
      renamed(change.key, to: "\(change.newSection).\(change.newKey)")
    }
  }
}

extension SettingsNode {
  /// This configuration, which a run or a checkpoint has kept, under today's keys: what was trained with an earlier
  /// version can be drawn with and trained on. A configuration that a user gives is told of the new names instead.
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
