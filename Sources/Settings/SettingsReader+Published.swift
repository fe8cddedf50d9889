// Keys of configurations published by other programs, such as a `config.json` of diffusers or transformers: `null` has
// the meaning of `None` there, and an omitted key has the default of the published class.

extension SettingsReader {
  /// A scalar that is nil if null, and has a default if omitted.
  ///
  /// - Throws: ``SettingsError``.
  public func nullable<Value: SettingsValue>(
    _ key: String, default value: Value?, in bounds: some SettingsBounds<Value>, help: String
  ) throws -> Value? {
    try nullable(key, SettingsRule(bounds), default: value, help: help)
  }

  /// An unbounded scalar that is nil if null, and has a default if omitted.
  ///
  /// - Throws: ``SettingsError``.
  public func nullable<Value: SettingsValue>(_ key: String, default value: Value?, help: String) throws
    -> Value?
  {
    try nullable(key, SettingsRule<Value>(), default: value, help: help)
  }

  /// A boolean with a default if omitted; null means false, since `None` is falsy.
  ///
  /// - Throws: ``SettingsError``.
  public func flag(_ key: String, default value: Bool, help: String) throws -> Bool {
    try nullable(key, default: value, help: help) ?? false
  }

  private func nullable<Value>(
    _ key: String, _ rule: SettingsRule<Value>, default value: Value?, help: String
  ) throws -> Value? {
    let expectation = rule.expectation + ", or null"
    let result: Value? =
      switch given(key) {
      case nil: value
      case .some(let node) where node.isNull: nil
      case .some(let node): try convert(node, of: key, rule, expectation)
      }
    declare(
      key, expectation: expectation, defaultValue: value.map { SettingsNode($0) } ?? .null, help: help,
      resolved: result.map { SettingsNode($0) } ?? .null)
    return result
  }

  /// A scalar, or a list with `count` elements; nil if null.
  ///
  /// - Throws: ``SettingsError``.
  public func oneOrEach<Value: SettingsValue>(
    _ key: String, default value: Value?, in bounds: some SettingsBounds<Value>, count: Int, help: String
  ) throws -> [Value]? {
    let rule = SettingsRule(bounds)
    let expectation = "\(rule.expectation), or a list of \(count)"
    var result = value.map { [Value](repeating: $0, count: count) }
    var resolved = value.map { SettingsNode($0) } ?? .null
    if let node = given(key) {
      resolved = SettingsNode(node.content)
      if node.isNull {
        result = nil
      } else if case .list(let nodes) = node.content {
        guard nodes.count == count else { throw mismatch(key, expected: expectation, found: node) }
        result = try nodes.map { try convert($0, of: key, rule, expectation) }
      } else {
        result = [Value](repeating: try convert(node, of: key, rule, expectation), count: count)
      }
    }
    declare(
      key, expectation: expectation, defaultValue: value.map { SettingsNode($0) } ?? .null, help: help,
      resolved: resolved)
    return result
  }

  /// Keys that do not affect the computation: any value is accepted and kept.
  public func kept(_ keys: String..., help: String = "computes nothing") {
    for key in keys {
      guard let node = given(key) else { continue }
      declare(
        key, expectation: "anything", defaultValue: .null, help: help, resolved: SettingsNode(node.content))
    }
  }

  /// A key for which only one value is supported, which is also its default.
  ///
  /// - Parameter others: equivalent values.
  /// - Throws: ``SettingsError`` naming the key for any other value.
  public func computes(_ key: String, only value: SettingsNode, or others: [SettingsNode] = [], help: String)
    throws
  {
    guard let node = given(key) else { return }
    let allowed = [value] + others
    guard allowed.contains(where: { $0.flowText == node.flowText }) else {
      throw mismatch(
        key,
        expected: allowed.map(\.flowText).joined(separator: " or ") + ": nothing else can be computed here",
        found: node)
    }
    declare(
      key, expectation: allowed.map(\.flowText).joined(separator: " or "), defaultValue: value, help: help,
      resolved: SettingsNode(node.content))
  }

  /// A list of names with a default.
  ///
  /// - Throws: ``SettingsError`` for a name that is not in `names`.
  public func choices(
    _ key: String, among names: [String], default value: [String], help: String
  ) throws -> [String] {
    let found = try self.value(key, default: value, count: 1..., help: help)
    if let unknown = found.first(where: { !names.contains($0) }) {
      throw invalid(
        key, "\(unknown) cannot be computed here, expected of each \(names.joined(separator: ", "))")
    }
    return found
  }

  /// A list of names with a default, where a single name may be given as a scalar.
  public func oneOrSeveral(_ key: String, default value: [String], help: String) throws -> [String] {
    guard let node = given(key), case .scalar = node.content, !node.isNull else {
      return try self.value(key, default: value, help: help)
    }
    let rule = SettingsRule<String>()
    let name = try convert(node, of: key, rule)
    declare(
      key, expectation: "a name or a list of names", defaultValue: SettingsNode(value), help: help,
      resolved: SettingsNode(name))
    return [name]
  }

  /// A list of names, or a single one as a scalar; nil if null, false or omitted.
  ///
  /// - Throws: ``SettingsError``.
  public func noneOrSeveral(_ key: String, help: String) throws -> [String]? {
    let rule = SettingsRule<String>()
    let expectation = "a name, a list of names, or null"
    var names: [String]?
    switch given(key)?.content {
    case .list(let nodes): names = try nodes.map { try convert($0, of: key, rule, expectation) }
    case .scalar(let scalar) where [.nothing, .bool(false)].contains(scalar.meaning): break
    case .some: names = try given(key).map { [try convert($0, of: key, rule, expectation)] }
    case nil: break
    }
    declare(
      key, expectation: expectation, defaultValue: .null, help: help,
      resolved: names.map { SettingsNode($0) } ?? .null)
    return names
  }
}
