import Files

/// Reads JSON (RFC 8259) from UTF-8 bytes.
struct JSONParser {
  private let path: String
  private let bytes: [UInt8]
  private var position = 0
  private var line = 1
  private var depth = 0

  /// The value in the file at `path`.
  ///
  /// - Throws: ``TokenizerError`` with the line of the first error; `FileError`.
  static func value(of path: String) throws -> JSONValue {
    try value(of: try WholeFile.read(path), path: path)
  }

  /// The value encoded by `bytes`, the content of the file at `path`.
  static func value(of bytes: [UInt8], path: String) throws -> JSONValue {
    var parser = JSONParser(path: path, bytes: bytes)
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { parser.position = 3 }
    let value = try parser.value()
    parser.skipSpace()
    guard parser.position == bytes.count else { throw parser.error("text follows the end of the JSON") }
    return value
  }

  private init(path: String, bytes: [UInt8]) {
    self.path = path
    self.bytes = bytes
  }

  private func error(_ problem: String) -> TokenizerError {
    TokenizerError(path, line: line, "not valid JSON: \(problem)")
  }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = next {
      switch byte {
      case UInt8(ascii: "\n"): line += 1
      case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): break
      default: return
      }
      position += 1
    }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func value() throws -> JSONValue {
    skipSpace()
    let start = line
    guard let byte = next else { throw error("it ends where a value is expected") }
    // Deeper nesting would exhaust the stack; no tokeniser comes near it.
    guard depth < 100 else { throw error("nested more than 100 deep") }
    depth += 1
    defer { depth -= 1 }
    switch byte {
    case UInt8(ascii: "{"): return JSONValue(content: .object(try object()), line: start)
    case UInt8(ascii: "["): return JSONValue(content: .array(try array()), line: start)
    case UInt8(ascii: "\""): return JSONValue(content: .string(try string()), line: start)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      return JSONValue(content: .number(try number()), line: start)
    default:
      for (word, content) in [
        ("true", JSONValue.Content.bool(true)), ("false", .bool(false)), ("null", .null),
      ]
      where bytes[position...].starts(with: word.utf8) {
        position += word.utf8.count
        return JSONValue(content: content, line: start)
      }
      throw error("a value is expected, not \(shown(byte))")
    }
  }

  private mutating func object() throws -> [(key: [UInt8], value: JSONValue)] {
    position += 1
    var entries: [(key: [UInt8], value: JSONValue)] = []
    var keys: Set<[UInt8]> = []
    skipSpace()
    if take("}") { return entries }
    while true {
      skipSpace()
      guard next == UInt8(ascii: "\"") else {
        throw error("a key in quotation marks is expected, not \(next.map(shown) ?? "the file's end")")
      }
      let key = try string()
      guard keys.insert(key).inserted else {
        throw error("the key \"\(String(decoding: key, as: UTF8.self))\" is repeated")
      }
      skipSpace()
      guard take(":") else { throw error("a colon is expected behind the key") }
      entries.append((key, try value()))
      skipSpace()
      if take("}") { return entries }
      guard take(",") else {
        throw error("a comma or } is expected, not \(next.map(shown) ?? "the file's end")")
      }
    }
  }

  private mutating func array() throws -> [JSONValue] {
    position += 1
    var values: [JSONValue] = []
    skipSpace()
    if take("]") { return values }
    while true {
      values.append(try value())
      skipSpace()
      if take("]") { return values }
      guard take(",") else {
        throw error("a comma or ] is expected, not \(next.map(shown) ?? "the file's end")")
      }
    }
  }

  private mutating func number() throws -> String {
    let start = position
    while let byte = next, "0123456789+-.eE".utf8.contains(byte) { position += 1 }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    guard Double(text) != nil else { throw error("\(text) is not a number") }
    return text
  }

  private mutating func string() throws -> [UInt8] {
    position += 1
    var content: [UInt8] = []
    while let byte = next {
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard String(validating: content, as: UTF8.self) != nil else { throw error("a string is not UTF-8") }
        return content
      case UInt8(ascii: "\\"): try escape(into: &content)
      case 0..<0x20: throw error("a control character in a string")
      default: content.append(byte)
      }
    }
    throw error("it ends within a string")
  }

  private mutating func escape(into content: inout [UInt8]) throws {
    guard let byte = next else { throw error("it ends within a string") }
    position += 1
    let short: [UInt8: UInt8] = [
      UInt8(ascii: "\""): UInt8(ascii: "\""), UInt8(ascii: "\\"): UInt8(ascii: "\\"),
      UInt8(ascii: "/"): UInt8(ascii: "/"), UInt8(ascii: "b"): 8, UInt8(ascii: "f"): 12,
      UInt8(ascii: "n"): 10, UInt8(ascii: "r"): 13, UInt8(ascii: "t"): 9,
    ]
    if byte != UInt8(ascii: "u") {
      guard let character = short[byte] else { throw error("the escape \\\(shown(byte)) is unknown") }
      content.append(character)
      return
    }
    var units = [try fourDigits()]
    if UTF16.isLeadSurrogate(units[0]), bytes[position...].starts(with: "\\u".utf8) {
      position += 2
      units.append(try fourDigits())
    }
    guard let text = String(validating: units, as: UTF16.self) else {
      throw error("half of a surrogate pair")
    }
    content += text.utf8
  }

  private mutating func fourDigits() throws -> UInt16 {
    let digits = bytes[position...].prefix(4)
    guard digits.count == 4, let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16) else {
      throw error("four hexadecimal digits are expected behind \\u")
    }
    position += 4
    return unit
  }

  private func shown(_ byte: UInt8) -> String {
    (0x21..<0x7F).contains(byte) ? String(UnicodeScalar(byte)) : "byte \(byte)"
  }
}
