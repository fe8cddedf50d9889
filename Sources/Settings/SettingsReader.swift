/// Reads a section of a configuration. Each reading call declares its key: name, type, default, bounds and help are
/// stated there and nowhere else. Messages, the resolved configuration and reference documentation are derived from
/// them.
///
/// ```swift
/// let reader = SettingsReader(node)
/// let diffusion = try reader.section("diffusion")
/// let timesteps = try diffusion.value("timesteps", default: 300, in: 1...100_000, help: "diffusion timesteps T")
/// let schedule = try diffusion.choice("schedule", default: Schedule.linear, help: "noise schedule")
/// try reader.finish()
/// ```
public final class SettingsReader {
  /// The section's path, such as `model`; empty for the whole configuration.
  public let path: String
  /// Where the section starts, if it was written.
  public let location: SettingsLocation?
  private let given: [SettingsEntry]
  private var known: [Known] = []
  /// Keys of earlier versions, with what replaced them.
  private var former: [String: String] = [:]

  private enum Known {
    case value(SettingsDeclaration, key: String, resolved: SettingsNode)
    case section(SettingsReader, key: String)

    var key: String {
      switch self {
      case .value(_, let key, _), .section(_, let key): key
      }
    }
  }

  /// - Parameter path: the path prefix of keys in messages.
  /// - Throws: ``SettingsError`` if `node` is neither a section nor null, which counts as empty.
  public init(_ node: SettingsNode, path: String = "") throws {
    self.path = path
    location = node.location
    switch node.content {
    case .section(let entries): given = entries
    case .scalar(let scalar) where scalar.meaning == .nothing: given = []
    case .scalar, .list:
      throw SettingsError(
        path: path, location: node.location,
        "expected a section of keys and values, found \(node.flowText)")
    }
  }

  /// The reader of a nested section, which is empty if missing. Repeated calls return the same reader.
  ///
  /// - Throws: ``SettingsError`` if the key holds a scalar or list.
  public func section(_ key: String) throws -> SettingsReader {
    for case .section(let reader, key) in known { return reader }
    precondition(!isKnown(key), "\(fullPath(key)) is read as a value and as a section")
    let reader = try SettingsReader(entry(key)?.node ?? .empty, path: fullPath(key))
    known.append(.section(reader, key: key))
    return reader
  }

  /// Whether the configuration contains `key`.
  public func isGiven(_ key: String) -> Bool { entry(key) != nil }

  /// Makes the error for a key of an earlier version name its replacement.
  ///
  /// - Parameter successor: the full path of the replacement, such as `training.microbatches`.
  public func renamed(_ key: String, to successor: String) { former[key] = "is now \(successor)" }

  /// An error about a key that was read, for constraints between keys; `message` follows its path.
  public func invalid(_ key: String, _ message: String) -> SettingsError {
    SettingsError(path: fullPath(key), location: given(key)?.location, message)
  }

  /// Checks that every key given was read, in this section and nested ones. Call it after reading the last key.
  ///
  /// - Throws: ``SettingsError`` naming each unknown key and the nearest known one.
  public func finish() throws {
    let problems = unknownKeys(declarations)
    if !problems.isEmpty { throw SettingsError(problems) }
  }

  /// All values that were read, including defaults, in the order of reading.
  public var resolved: SettingsNode {
    SettingsNode(
      .section(
        known.map { known in
          switch known {
          case .value(_, let key, let node): SettingsEntry(key: key, node: node)
          case .section(let reader, let key): SettingsEntry(key: key, node: reader.resolved)
          }
        }))
  }

  /// All keys that were read, in the order of reading.
  public var declarations: [SettingsDeclaration] {
    known.flatMap { known in
      switch known {
      case .value(let declaration, _, _): [declaration]
      case .section(let reader, _): reader.declarations
      }
    }
  }

  /// ``resolved`` as YAML, with each key's help as a comment.
  public func commentedYAML() -> String {
    let help = Dictionary(declarations.map { ($0.path, $0.help) }, uniquingKeysWith: { first, _ in first })
    return resolved.yaml { help[$0] }
  }

  // MARK: Used by the reading methods

  /// The node given for `key`, if any.
  func given(_ key: String) -> SettingsNode? { entry(key)?.node }

  func declare(
    _ key: String, expectation: String, defaultValue: SettingsNode?, help: String, resolved: SettingsNode
  ) {
    precondition(!isKnown(key), "\(fullPath(key)) is read twice: a key is declared in one place")
    let declaration = SettingsDeclaration(
      path: fullPath(key), expectation: expectation, defaultValue: defaultValue?.flowText, help: help)
    known.append(.value(declaration, key: key, resolved: SettingsNode(resolved.content)))
  }

  func mismatch(_ key: String, expected: String, found: SettingsNode) -> SettingsError {
    SettingsError(
      path: fullPath(key), location: found.location ?? location,
      "expected \(expected), found \(found.isNull ? "nothing" : found.flowText)")
  }

  /// The error for a missing required key. If an unknown key looks like a misspelling of it, that is mentioned.
  func missing(_ key: String, expected: String, help: String) -> SettingsError {
    let others = given.map(\.key).filter { !isKnown($0) }
    let hint = NearestKey.among(others, to: key).map { "; found the unknown key \"\($0)\"" } ?? ""
    return SettingsError(
      path: fullPath(key), location: location, "is missing: expected \(expected) (\(help))\(hint)")
  }

  private func entry(_ key: String) -> SettingsEntry? { given.first { $0.key == key } }

  private func isKnown(_ key: String) -> Bool { known.contains { $0.key == key } }

  private func fullPath(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  private func unknownKeys(_ everywhere: [SettingsDeclaration]) -> [SettingsError.Problem] {
    var problems = given.filter { !isKnown($0.key) }.map { entry in
      SettingsError.Problem(
        path: fullPath(entry.key), location: entry.location,
        message: former[entry.key] ?? "unknown key; " + advice(for: entry.key, everywhere))
    }
    for case .section(let reader, _) in known { problems += reader.unknownKeys(everywhere) }
    return problems
  }

  /// A suggestion for an unknown key: a similar key of this section, the same key in another section, or all keys of
  /// this section.
  private func advice(for key: String, _ everywhere: [SettingsDeclaration]) -> String {
    let names = known.map(\.key)
    if let near = NearestKey.among(names, to: key) { return "did you mean \"\(near)\"?" }
    if let elsewhere = everywhere.first(where: { $0.path.hasSuffix(".\(key)") }) {
      return "did you mean \"\(elsewhere.path)\"?"
    }
    return names.isEmpty ? "this section has no keys" : "known here: " + names.joined(separator: ", ")
  }
}
