import Foundation
import Yams

extension SettingsNode {
  /// Parses YAML, and hence also JSON. Text without any content is an empty section.
  ///
  /// - Parameter source: the name of the text in messages, such as its file's path.
  /// - Throws: ``SettingsError`` if the text is not valid YAML, contains several documents, or has a duplicate key in a
  ///   section.
  public init(yaml text: String, source: String) throws {
    self = try Self.compose(text, located: { SettingsLocation(source: source, line: $0) }) ?? .empty
  }

  /// Reads the file at `path`.
  ///
  /// - Throws: ``SettingsError``, also if the file cannot be read.
  public init(contentsOfFile path: String) throws {
    guard let bytes = FileManager.default.contents(atPath: path) else {
      var isFolder: ObjCBool = false
      let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      let problem = isFolder.boolValue ? "is a folder, expected a file" : "cannot be read"
      throw SettingsError(
        location: SettingsLocation(source: path), exists ? problem : "there is no such file")
    }
    guard let text = String(data: bytes, encoding: .utf8) else {
      throw SettingsError(location: SettingsLocation(source: path), "is no text in UTF-8")
    }
    try self.init(yaml: text, source: path)
  }

  /// Returns nil if the text has no content.
  static func compose(_ text: String, located: (Int?) -> SettingsLocation) throws -> SettingsNode? {
    do {
      // UTF-8 is given explicitly, as Yams would otherwise consult an environment variable.
      let parser = try Parser(yaml: text, encoding: .utf8)
      var budget = ValueBudget(textSize: text.utf8.count)
      return try parser.singleRoot().map { try convert($0, path: "", located: located, &budget) }
    } catch let error as YamlError {
      throw settingsError(error, located)
    }
  }

  /// Limits the number of values that a text may expand to: with nested aliases, a few lines can denote billions.
  private struct ValueBudget {
    let limit: Int
    var count = 0

    init(textSize: Int) { limit = 1000 + 10 * textSize }
  }

  private static func convert(
    _ node: Node, path: String, located: (Int?) -> SettingsLocation, _ budget: inout ValueBudget
  ) throws -> SettingsNode {
    let location = located(node.mark?.line)
    budget.count += 1
    guard budget.count <= budget.limit else {
      throw SettingsError(
        path: path, location: location,
        "the text's aliases stand for more than \(budget.limit) values: write them out")
    }
    switch node {
    case .scalar(let scalar):
      let isQuoted = scalar.style != .plain && scalar.style != .any
      let isTaggedText = scalar.tag.description == Tag.Name.str.rawValue
      return SettingsNode(
        .scalar(SettingsScalar(text: scalar.string, isQuoted: isQuoted || isTaggedText)), location: location)
    case .sequence(let sequence):
      return SettingsNode(
        .list(try sequence.map { try convert($0, path: path, located: located, &budget) }), location: location
      )
    case .mapping(let mapping):
      let entries = try mapping.map { key, value in
        guard let name = key.scalar?.string else {
          throw SettingsError(path: path, location: located(key.mark?.line), "expected a name as key")
        }
        return SettingsEntry(
          key: name,
          node: try convert(value, path: path.isEmpty ? name : "\(path).\(name)", located: located, &budget),
          location: located(key.mark?.line))
      }
      return SettingsNode(.section(entries), location: location)
    case .alias:
      // The parser replaces aliases with their targets.
      throw SettingsError(path: path, location: location, "an alias without a target")
    }
  }

  private static func settingsError(_ error: YamlError, _ located: (Int?) -> SettingsLocation)
    -> SettingsError
  {
    switch error {
    case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      SettingsError(
        location: located(mark.line),
        "is no YAML: " + [context?.text, problem].compactMap { $0 }.joined(separator: " ")
          + " (column \(mark.column))")
    case .duplicatedKeysInMapping(let keys, let context):
      SettingsError(
        location: located(context.mark.line),
        keys.map { "\"\($0)\"" }.joined(separator: ", ")
          + (keys.count == 1 ? " stands" : " stand") + " more than once in one section")
    case .reader(let problem, _, _, _):
      SettingsError(location: located(nil), "is no YAML: \(problem)")
    default:
      SettingsError(location: located(nil), "is no YAML: \(error)")
    }
  }
}
