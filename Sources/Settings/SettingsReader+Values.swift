// The reading methods. Each throws ``SettingsError`` if the given value has the wrong type or is out of bounds; a
// default that violates its own bounds is a programmer error.

extension SettingsReader {
  /// A scalar with a default.
  public func value<Value: SettingsValue>(_ key: String, default value: Value, help: String) throws -> Value {
    try scalar(key, SettingsRule<Value>(), default: value, help: help)
  }

  /// A scalar with a default and bounds.
  public func value<Value: SettingsValue>(
    _ key: String, default value: Value, in bounds: some SettingsBounds<Value>, help: String
  ) throws -> Value {
    try scalar(key, SettingsRule(bounds), default: value, help: help)
  }

  /// An optional scalar, which may be omitted or null.
  public func value<Value: SettingsValue>(
    _ key: String, as type: Value.Type, help: String
  ) throws -> Value? {
    try optional(key, SettingsRule<Value>(), help: help)
  }

  /// An optional scalar with bounds, which may be omitted or null.
  public func value<Value: SettingsValue>(
    _ key: String, as type: Value.Type, in bounds: some SettingsBounds<Value>, help: String
  ) throws -> Value? {
    try optional(key, SettingsRule(bounds), help: help)
  }

  /// A required scalar.
  public func required<Value: SettingsValue>(
    _ key: String, as type: Value.Type = Value.self, help: String
  ) throws -> Value {
    try required(key, SettingsRule<Value>(), help: help)
  }

  /// A required scalar with bounds.
  public func required<Value: SettingsValue>(
    _ key: String, as type: Value.Type = Value.self, in bounds: some SettingsBounds<Value>, help: String
  ) throws -> Value {
    try required(key, SettingsRule(bounds), help: help)
  }

  /// A list with a default. `count` bounds its number of elements.
  public func value<Element: SettingsValue>(
    _ key: String, default value: [Element], count: some SettingsBounds<Int> = 0..., help: String
  ) throws -> [Element] {
    try list(key, SettingsRule<Element>(), count: count, default: value, help: help)
  }

  /// A list with a default and bounds on each element. `count` bounds its number of elements.
  public func value<Element: SettingsValue>(
    _ key: String, default value: [Element], in bounds: some SettingsBounds<Element>,
    count: some SettingsBounds<Int> = 0..., help: String
  ) throws -> [Element] {
    try list(key, SettingsRule(bounds), count: count, default: value, help: help)
  }

  /// A case of an enumeration by raw value, with a default.
  public func choice<Choice: RawRepresentable & CaseIterable>(
    _ key: String, default value: Choice, help: String
  ) throws -> Choice where Choice.RawValue == String {
    let name = try scalar(
      key, SettingsRule(among: Choice.allCases.map(\.rawValue)), default: value.rawValue, help: help)
    return Choice(rawValue: name) ?? value
  }

  /// A required case of an enumeration, by raw value.
  public func requiredChoice<Choice: RawRepresentable & CaseIterable>(
    _ key: String, as type: Choice.Type = Choice.self, help: String
  ) throws -> Choice where Choice.RawValue == String {
    let name = try required(key, SettingsRule(among: Choice.allCases.map(\.rawValue)), help: help)
    guard let choice = Choice(rawValue: name) else {
      preconditionFailure("\(Choice.self) lists \(name) among its cases but does not make it")
    }
    return choice
  }

  /// One of several names, with a default.
  public func choice(_ key: String, among names: [String], default value: String, help: String) throws
    -> String
  {
    try scalar(key, SettingsRule(among: names), default: value, help: help)
  }

  /// One of several names, required.
  public func requiredChoice(_ key: String, among names: [String], help: String) throws -> String {
    try required(key, SettingsRule(among: names), help: help)
  }

  // MARK: Shared implementation

  private func scalar<Value>(_ key: String, _ rule: SettingsRule<Value>, default value: Value, help: String)
    throws -> Value
  {
    precondition(rule.allows(value), "the default \(value) of \(key) is not \(rule.expectation)")
    let result = try given(key).map { try convert($0, of: key, rule) } ?? value
    declare(
      key, expectation: rule.expectation, defaultValue: SettingsNode(value), help: help,
      resolved: SettingsNode(result))
    return result
  }

  private func optional<Value>(_ key: String, _ rule: SettingsRule<Value>, help: String) throws -> Value? {
    let expectation = rule.expectation + ", or null"
    var result: Value?
    if let node = given(key), !node.isNull { result = try convert(node, of: key, rule, expectation) }
    declare(
      key, expectation: expectation, defaultValue: .null, help: help,
      resolved: result.map { SettingsNode($0) } ?? .null)
    return result
  }

  private func required<Value>(_ key: String, _ rule: SettingsRule<Value>, help: String) throws -> Value {
    guard let node = given(key) else { throw missing(key, expected: rule.expectation, help: help) }
    if node.isNull { throw mismatch(key, expected: "\(rule.expectation) (\(help))", found: node) }
    let result = try convert(node, of: key, rule)
    declare(key, expectation: rule.expectation, defaultValue: nil, help: help, resolved: SettingsNode(result))
    return result
  }

  private func list<Element>(
    _ key: String, _ rule: SettingsRule<Element>, count: some SettingsBounds<Int>, default value: [Element],
    help: String
  ) throws -> [Element] {
    let anyCount = count.boundsDescription == (0...).boundsDescription
    let expectation =
      "a list" + (anyCount ? "" : " (length \(count.boundsDescription))")
      + ", each element \(rule.expectation)"
    precondition(
      count.allows(value.count) && value.allSatisfy(rule.allows),
      "the default \(value) of \(key) is not \(expectation)")
    var result = value
    if let node = given(key) {
      guard case .list(let nodes) = node.content, count.allows(nodes.count) else {
        throw mismatch(key, expected: expectation, found: node)
      }
      result = try nodes.map { try convert($0, of: key, rule, expectation) }
    }
    declare(
      key, expectation: expectation, defaultValue: SettingsNode(value), help: help,
      resolved: SettingsNode(result))
    return result
  }

  func convert<Value>(
    _ node: SettingsNode, of key: String, _ rule: SettingsRule<Value>, _ expectation: String? = nil
  ) throws -> Value {
    guard case .scalar(let scalar) = node.content, let value = Value(settingsScalar: scalar),
      rule.allows(value)
    else { throw mismatch(key, expected: expectation ?? rule.expectation, found: node) }
    return value
  }
}
