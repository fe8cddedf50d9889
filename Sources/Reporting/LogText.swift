import Foundation
import Logging

/// How messages look, in the file and on the console.
enum LogText {
  /// `saved the checkpoint path=runs/first step=1000`: keys sorted, values quoted where they would be read as more
  /// than one, all on one line.
  static func line(_ message: String, _ metadata: Logger.Metadata) -> String {
    let pairs = metadata.sorted { $0.key < $1.key }.map { "\($0.key)=\(value("\($0.value)"))" }
    return ([escaped(message)] + pairs).joined(separator: " ")
  }

  /// `2026-11-21T10:00:00Z`.
  static func timestamp(_ date: Date) -> String { date.formatted(.iso8601) }

  /// Messages as they are, levels other than info named, ranks other than 0 too.
  static func console(_ level: Logger.Level, _ text: String, rank: Int, hasColours: Bool) -> String {
    var name = level == .info ? "" : "\(level): "
    if hasColours, let colour = colour(level) { name = "\u{1B}[\(colour)m\(name)\u{1B}[0m" }
    return (rank == 0 ? "" : "[rank \(rank)] ") + name + text
  }

  /// Bold red, yellow, grey, in the codes of terminals.
  private static func colour(_ level: Logger.Level) -> String? {
    switch level {
    case .critical, .error: "1;31"
    case .warning: "33"
    case .notice, .info: nil
    case .debug, .trace: "90"
    }
  }

  private static func value(_ text: String) -> String {
    let isPlain = !text.isEmpty && !text.contains { $0.isWhitespace || "\"=\\".contains($0) }
    if isPlain && escaped(text) == text { return text }
    return "\"" + escaped(text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")) + "\""
  }

  /// The text that `value` has quoted.
  static func unquoted(_ value: Substring) -> String {
    var result = ""
    var rest = value.dropFirst().dropLast()
    while let character = rest.popFirst() {
      guard character == "\\", let escape = rest.popFirst() else {
        result.append(character)
        continue
      }
      switch escape {
      case "n": result.append("\n")
      case "t": result.append("\t")
      case "r": result.append("\r")
      case "u":
        let digits = rest.dropFirst().prefix { $0 != "}" }
        UInt32(digits, radix: 16).flatMap(Unicode.Scalar.init).map { result.unicodeScalars.append($0) }
        rest = rest.dropFirst(digits.count + 2)
      default: result.append(escape)
      }
    }
    return result
  }

  /// Control characters made visible: a message is one line, and cannot rewrite the terminal.
  private static func escaped(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
      return text
    }
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case "\r": result += "\\r"
      case _ where scalar.properties.generalCategory == .control:
        result += "\\u{" + String(scalar.value, radix: 16) + "}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
