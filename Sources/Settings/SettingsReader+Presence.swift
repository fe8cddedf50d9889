extension SettingsReader {
  /// Whether the configuration says something of `key`, and not null.
  public func saysSomething(of key: String) -> Bool { given(key).map { !$0.isNull } ?? false }
}
