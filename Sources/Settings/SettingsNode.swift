/// A configuration as a tree of scalars, lists and sections, each with the location where it was written.
///
/// The tree does not define any keys or types: those are declared where a ``SettingsReader`` reads them.
public struct SettingsNode: Sendable {
  public enum Content: Sendable {
    case scalar(SettingsScalar)
    case list([SettingsNode])
    case section([SettingsEntry])
  }

  public var content: Content
  /// nil for values that were not written anywhere, such as defaults.
  public var location: SettingsLocation?

  public init(_ content: Content, location: SettingsLocation? = nil) {
    self.content = content
    self.location = location
  }

  /// An empty section, in which every key has its default.
  public static var empty: SettingsNode { SettingsNode(.section([])) }

  public static var null: SettingsNode { SettingsNode(.scalar(.nothing)) }

  package var isNull: Bool {
    if case .scalar(let scalar) = content { scalar.meaning == .nothing } else { false }
  }

  /// The node at a path such as `model.dim`; nil if there is none.
  public subscript(path: String) -> SettingsNode? {
    path.split(separator: ".", omittingEmptySubsequences: false).reduce(self as SettingsNode?) { node, key in
      guard case .section(let entries) = node?.content else { return nil }
      return entries.first { $0.key == key }?.node
    }
  }

  /// The section at a key: empty if it is missing or null; nil if there is a value that is no section, which only a reader
  /// can report.
  package func section(at path: String) -> SettingsNode? {
    guard let node = self[path], !node.isNull else { return .empty }
    if case .section = node.content { return node } else { return nil }
  }

  /// This section with the value of a key replaced, or appended if the key is new.
  public func setting(_ key: String, to node: SettingsNode) -> SettingsNode {
    guard case .section(var entries) = content else {
      preconditionFailure("\(key) of what is no section: \(self)")
    }
    if let index = entries.firstIndex(where: { $0.key == key }) {
      entries[index].node = node
    } else {
      entries.append(SettingsEntry(key: key, node: node))
    }
    return SettingsNode(.section(entries), location: location)
  }
}

/// One `key: value` of a section.
public struct SettingsEntry: Sendable {
  public let key: String
  public var node: SettingsNode
  /// The location of the key; the value may start on a later line.
  public let location: SettingsLocation?

  public init(key: String, node: SettingsNode, location: SettingsLocation? = nil) {
    self.key = key
    self.node = node
    self.location = location
  }
}

/// Equality of meaning: spelling (`1e-3`, `0.001`), order of keys and locations are ignored.
extension SettingsNode: Equatable {
  public static func == (a: SettingsNode, b: SettingsNode) -> Bool {
    switch (a.content, b.content) {
    case (.scalar(let a), .scalar(let b)): a == b
    case (.list(let a), .list(let b)): a == b
    case (.section(let a), .section(let b)):
      a.count == b.count
        && a.allSatisfy { entry in b.contains { $0.key == entry.key && $0.node == entry.node } }
    default: false
    }
  }
}

// Literals, for trees written in Swift: `["model": ["dim": 28, "dim_mults": [1, 2, 4]]]`.
extension SettingsNode: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByStringLiteral, ExpressibleByNilLiteral, ExpressibleByArrayLiteral,
  ExpressibleByDictionaryLiteral
{
  public init(integerLiteral value: Int) { self.init(value) }
  public init(floatLiteral value: Double) { self.init(value) }
  public init(booleanLiteral value: Bool) { self.init(value) }
  public init(stringLiteral value: String) { self.init(value) }
  public init(nilLiteral: ()) { self = .null }
  public init(arrayLiteral elements: SettingsNode...) { self.init(.list(elements)) }
  public init(dictionaryLiteral elements: (String, SettingsNode)...) {
    precondition(Set(elements.map(\.0)).count == elements.count, "a key stands twice in \(elements.map(\.0))")
    self.init(.section(elements.map { SettingsEntry(key: $0.0, node: $0.1) }))
  }
}
