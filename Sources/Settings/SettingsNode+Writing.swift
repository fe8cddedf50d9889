extension SettingsNode {
  /// The tree as YAML: sections as indented blocks, lists on one line, keys in their order, and numbers with enough
  /// digits to read back as the same value. The same tree always produces the same text.
  ///
  /// - Parameter comment: the comment to write after the key at a path; nil for none.
  public func yaml(comment: (_ path: String) -> String? = { _ in nil }) -> String {
    guard case .section(let entries) = content, !entries.isEmpty else { return flowText + "\n" }
    var text = ""
    write(entries, under: "", indent: "", comment: comment, into: &text)
    return text
  }

  /// The tree as JSON on one line, which parses to an equal tree.
  public var json: String { flow(isJSON: true) }

  /// The tree as human-readable JSON: one line for each key, and for each section in a list.
  public var indentedJSON: String { indentedJSON("") + "\n" }

  private func indentedJSON(_ indent: String) -> String {
    let inner = indent + "  "
    func block(_ open: String, _ lines: [String], _ close: String) -> String {
      lines.isEmpty
        ? open + close : "\(open)\n\(lines.map { inner + $0 }.joined(separator: ",\n"))\n\(indent)\(close)"
    }
    switch content {
    case .scalar: return json
    case .list(let nodes):
      let holdsSections = nodes.contains { if case .section = $0.content { true } else { false } }
      return holdsSections ? block("[", nodes.map { $0.indentedJSON(inner) }, "]") : json
    case .section(let entries):
      let lines = entries.map { entry in
        SettingsScalar(text: entry.key, isQuoted: true).jsonText + ": " + entry.node.indentedJSON(inner)
      }
      return block("{", lines, "}")
    }
  }

  /// The tree as YAML on one line, for messages.
  var flowText: String { flow(isJSON: false) }

  private func write(
    _ entries: [SettingsEntry], under path: String, indent: String, comment: (String) -> String?,
    into text: inout String
  ) {
    for entry in entries {
      let entryPath = path.isEmpty ? entry.key : "\(path).\(entry.key)"
      let note = comment(entryPath).map { "  # \($0)" } ?? ""
      let key = indent + SettingsScalar(text: entry.key, isQuoted: true).yamlText + ":"
      if case .section(let inner) = entry.node.content, !inner.isEmpty {
        text += key + note + "\n"
        write(inner, under: entryPath, indent: indent + "  ", comment: comment, into: &text)
      } else {
        text += key + " " + entry.node.flowText + note + "\n"
      }
    }
  }

  private func flow(isJSON: Bool) -> String {
    switch content {
    case .scalar(let scalar):
      return isJSON ? scalar.jsonText : scalar.yamlText
    case .list(let nodes):
      return "[" + nodes.map { $0.flow(isJSON: isJSON) }.joined(separator: ", ") + "]"
    case .section(let entries):
      let pairs = entries.map { entry in
        let key = SettingsScalar(text: entry.key, isQuoted: true)
        return (isJSON ? key.jsonText : key.yamlText) + ": " + entry.node.flow(isJSON: isJSON)
      }
      return "{" + pairs.joined(separator: ", ") + "}"
    }
  }
}

extension SettingsScalar {
  /// The scalar as YAML that parsers of YAML 1.1 and 1.2 interpret identically.
  var yamlText: String {
    guard case .text(let text) = meaning else { return canonicalText }
    return Self.isPlain(text) ? text : Self.quoted(text)
  }

  var jsonText: String {
    switch meaning {
    case .text(let text): Self.quoted(text)
    // JSON has no infinity and no NaN.
    case .number(.real(let value)) where !value.isFinite: Self.quoted(text)
    default: canonicalText
    }
  }

  private var canonicalText: String {
    switch meaning {
    case .nothing: "null"
    case .bool(let value): String(value)
    // A decimal point marks a setting that is a real number (`weight_decay: 0.0`).
    case .number(.whole(let value)): text.contains(".") ? "\(value).0" : String(value)
    case .number(.real(let value)): value.isFinite ? value.settingsScalar.text : text
    case .text(let text): text
    }
  }

  /// Words that YAML 1.1 interprets as booleans.
  private static let truthWords: Set<String> = ["y", "n", "yes", "no", "on", "off"]

  /// Whether `text` can be written without quotes: it starts with a letter, slash, dot or underscore, contains no
  /// characters with a special meaning in YAML, and does not look like a number, boolean or null.
  private static func isPlain(_ text: String) -> Bool {
    guard let first = text.first, first.isASCII,
      first.isLetter || first == "/" || first == "." || first == "_"
    else { return false }
    return text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_./-".contains($0)) }
      && !truthWords.contains(text.lowercased())
      && SettingsScalar(text: text, isQuoted: false).meaning == .text(text)
  }

  /// `text` in double quotes with JSON escapes, which are also valid in YAML.
  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case "\r": result += "\\r"
      case _
      where scalar.value < 0x20 || (0x7F...0xA0).contains(scalar.value) || scalar.value == 0x2028
        || scalar.value == 0x2029 || scalar.value == 0xFEFF:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
