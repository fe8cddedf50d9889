/// Parses the JSON of a header: objects, strings and lists of non-negative integers, which is all that the format uses.
///
/// A general JSON decoder would silently drop one of two members with the same name, and would read sizes beyond 2^53
/// inexactly. This parser does not recurse, so no input can exhaust the stack.
struct HeaderScanner {
  /// A problem at a byte of the header.
  struct Fault: Error {
    let byte: Int
    let what: String
  }

  private let bytes: [UInt8]
  private(set) var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  func fault(_ what: String) -> Fault { Fault(byte: position, what: what) }

  /// Calls `member` with each key of an object, to parse the key's value.
  mutating func object(_ member: (inout HeaderScanner, String) throws -> Void) throws {
    try expect("{", "an object")
    if take("}") { return }
    repeat {
      let key = try string()
      try expect(":", "':' after \"\(key)\"")
      try member(&self, key)
    } while take(",")
    try expect("}", "',' or '}'")
  }

  /// A list of non-negative integers.
  mutating func numbers() throws -> [Int] {
    try expect("[", "a list of whole numbers")
    if take("]") { return [] }
    var numbers: [Int] = []
    repeat { numbers.append(try number()) } while take(",")
    try expect("]", "',' or ']'")
    return numbers
  }

  mutating func string() throws -> String {
    try expect("\"", "a string")
    var text: [UInt8] = []
    while true {
      guard position < bytes.count else { throw fault("the header ends inside a string") }
      let byte = bytes[position]
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: text, as: UTF8.self) else {
          throw fault("a string is not UTF-8")
        }
        position += 1
        return string
      case UInt8(ascii: "\\"):
        text += String(try escape()).utf8
      case 0..<0x20:
        throw fault("a string holds a control character")
      default:
        text.append(byte)
        position += 1
      }
    }
  }

  /// Checks that only white space follows.
  mutating func end() throws {
    skipSpace()
    guard position == bytes.count else { throw fault("expected the header's end") }
  }

  private mutating func number() throws -> Int {
    skipSpace()
    let start = position
    var value = 0
    while position < bytes.count, case let digit = bytes[position] &- UInt8(ascii: "0"), digit < 10 {
      let (tens, overflow1) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflow2) = tens.addingReportingOverflow(Int(digit))
      guard !overflow1, !overflow2 else { throw Fault(byte: start, what: "a number beyond \(Int.max)") }
      value = sum
      position += 1
    }
    guard position > start else { throw fault("expected a whole number from 0") }
    guard position == start + 1 || bytes[start] != UInt8(ascii: "0") else {
      throw Fault(byte: start, what: "a number starts with 0")
    }
    return value
  }

  /// The character denoted by an escape sequence.
  private mutating func escape() throws -> Unicode.Scalar {
    let start = position
    position += 1
    guard position < bytes.count else { throw fault("the header ends inside a string") }
    let character = Unicode.Scalar(bytes[position])
    position += 1
    switch character {
    case "\"", "\\", "/": return character
    case "b": return "\u{8}"
    case "f": return "\u{c}"
    case "n": return "\n"
    case "r": return "\r"
    case "t": return "\t"
    case "u": break
    default: throw Fault(byte: start, what: "an unknown escape in a string")
    }

    let first = try codeUnit()
    if let scalar = Unicode.Scalar(first) { return scalar }
    if UTF16.isLeadSurrogate(first), bytes[position...].starts(with: #"\u"#.utf8) {
      position += 2
      let second = try codeUnit()
      let value = 0x10000 + (UInt32(first & 0x3ff) << 10 | UInt32(second & 0x3ff))
      if UTF16.isTrailSurrogate(second), let scalar = Unicode.Scalar(value) { return scalar }
    }
    throw Fault(byte: start, what: "half of a surrogate pair in a string")
  }

  /// Four hexadecimal digits.
  private mutating func codeUnit() throws -> UInt16 {
    var value: UInt16 = 0
    for _ in 0..<4 {
      guard position < bytes.count, let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue
      else {
        throw fault("expected four hexadecimal digits")
      }
      value = value << 4 | UInt16(digit)
      position += 1
    }
    return value
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar, _ what: String) throws {
    guard take(character) else { throw fault("expected \(what)") }
  }

  private mutating func skipSpace() {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0a, 0x0d: position += 1
      default: return
      }
    }
  }
}
