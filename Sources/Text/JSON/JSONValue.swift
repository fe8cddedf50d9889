/// A value of a JSON file, with its line.
///
/// Foundation's reader reports neither the line of a value nor repeated keys, and a vocabulary needs both. Strings are
/// kept as UTF-8 bytes, because Swift considers strings equal that differ only in normalisation.
struct JSONValue: Sendable {
  enum Content: Sendable {
    case object([(key: [UInt8], value: JSONValue)])
    case array([JSONValue])
    case string([UInt8])
    /// A number as written.
    case number(String)
    case bool(Bool)
    case null
  }

  let content: Content
  /// Counted from 1.
  let line: Int

  /// The value of `key`, if this is an object that contains it.
  subscript(_ key: String) -> JSONValue? {
    guard case .object(let entries) = content else { return nil }
    let bytes = Array(key.utf8)
    return entries.first { $0.key == bytes }?.value
  }

  var string: String? {
    if case .string(let bytes) = content { String(decoding: bytes, as: UTF8.self) } else { nil }
  }

  var bool: Bool? {
    if case .bool(let value) = content { value } else { nil }
  }

  /// The number if it is an integer; Python writes large ones as `1e+30`.
  var int: Int? {
    guard case .number(let text) = content else { return nil }
    return Int(text) ?? Double(text).flatMap(Int.init(exactly:))
  }

  var isNull: Bool {
    if case .null = content { true } else { false }
  }

  /// Describes the value in messages.
  var kind: String {
    switch content {
    case .object: "an object"
    case .array: "an array"
    case .string: "a string"
    case .number(let text): "the number \(text)"
    case .bool(let value): "\(value)"
    case .null: "null"
    }
  }
}
