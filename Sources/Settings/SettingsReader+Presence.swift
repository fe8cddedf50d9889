extension SettingsReader {
  /// Whether the configuration has a non-null value for `key`.
  public func saysSomething(of key: String) -> Bool { given(key).map { !$0.isNull } ?? false }
}
