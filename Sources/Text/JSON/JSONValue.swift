/// A value of a JSON file, with the line that it stands in.
///
/// Foundation's reader neither tells the line of a value nor that a key is repeated, and of a vocabulary both must be
/// known. Strings are kept as their UTF-8 bytes: Swift takes strings for equal that differ in normalisation only.
struct JSONValue: Sendable {
  enum Content: Sendable {
    case object([(key: [UInt8], value: JSONValue)])
    case array([JSONValue])
    case string([UInt8])
    /// A number as it is written.
    case number(String)
    case bool(Bool)
    case null
  }

  let content: Content
  /// From 1.
  let line: Int

  /// The value of `key`, if this is an object that has it.
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

  /// The number if it is a whole one; Python writes large ones as `1e+30`.
  var int: Int? {
    guard case .number(let text) = content else { return nil }
    return Int(text) ?? Double(text).flatMap(Int.init(exactly:))
  }

  var isNull: Bool {
    if case .null = content { true } else { false }
  }

  /// What the value is, for messages.
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
