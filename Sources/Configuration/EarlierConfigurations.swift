import Settings

extension SettingsNode {
  /// Keys of earlier versions, by section, and where their values are now.
  private static let renamed: [(section: String, key: String, to: (section: String, key: String))] = [
    ("training", "slices", ("training", "microbatches")),
    ("training", "answer_timeout_seconds", ("training", "heartbeat_timeout_seconds")),
    ("training", "ema_decay", ("ema", "decay")),
    ("diffusion", "objective", ("diffusion", "prediction")),
  ]

  /// This configuration, which a run or a checkpoint has kept, under today's keys: what was trained with an earlier
  /// version can be drawn with and trained on. A configuration that a user gives is told of the new names instead.
  package var withTodaysKeys: SettingsNode {
    Self.renamed.reduce(self) { configuration, change in
      guard let section = configuration[change.section], let value = section[change.key] else {
        return configuration
      }
      let without = configuration.setting(change.section, to: section.removing(change.key))
      let target = without[change.to.section] ?? .empty
      return without.setting(change.to.section, to: target.setting(change.to.key, to: value))
    }
  }

  private func removing(_ key: String) -> SettingsNode {
    SettingsNode(.section((entries ?? []).filter { $0.key != key }), location: location)
  }
}
