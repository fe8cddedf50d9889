extension SettingsNode {
  /// Applies overrides such as `model.dim=64` in order. Values are parsed as YAML, so that `model.dim_mults=[1, 2]` and
  /// `model={kind: dit}` work; a section given in this way replaces the whole section.
  ///
  /// - Throws: ``SettingsError`` for an override without a key or `=`, with a value that is not valid YAML, or with a
  ///   path that leads into a scalar or list.
  public func applying(overrides: [String]) throws -> SettingsNode {
    try overrides.reduce(self) { try $0.applying($1) }
  }

  private func applying(_ override: String) throws -> SettingsNode {
    let location = SettingsLocation(source: "--set \(override)")
    guard let equals = override.firstIndex(of: "=") else {
      throw SettingsError(location: location, "expected KEY=VALUE, such as training.steps=1000")
    }
    let path = override[..<equals].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard path.allSatisfy({ !$0.isEmpty }) else {
      throw SettingsError(
        location: location, "expected a key, its sections parted by points, such as training.steps")
    }
    let text = String(override[override.index(after: equals)...])
    let value =
      try Self.compose(text, located: { _ in location })
      ?? SettingsNode(.scalar(.nothing), location: location)
    return try setting(path[...], of: [], to: value, location)
  }

  private func setting(
    _ path: ArraySlice<String>, of outer: [String], to value: SettingsNode, _ location: SettingsLocation
  ) throws -> SettingsNode {
    guard let key = path.first else { return value }
    var entries: [SettingsEntry]
    switch content {
    case .section(let existing): entries = existing
    case .scalar(let scalar) where scalar.meaning == .nothing: entries = []
    case .scalar, .list:
      throw SettingsError(
        path: outer.joined(separator: "."), location: location,
        "is \(flowText), not a section that could hold \"\(key)\"")
    }
    let index = entries.firstIndex { $0.key == key }
    let inner = index.map { entries[$0].node } ?? SettingsNode(.section([]), location: location)
    let entry = SettingsEntry(
      key: key, node: try inner.setting(path.dropFirst(), of: outer + [key], to: value, location),
      location: index.flatMap { path.count > 1 ? entries[$0].location : nil } ?? location)
    if let index { entries[index] = entry } else { entries.append(entry) }
    return SettingsNode(.section(entries), location: self.location)
  }
}
