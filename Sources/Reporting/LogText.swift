import Foundation
import Logging

/// The format of messages in the log file and on the console.
enum LogText {
  /// A single line such as `saved the checkpoint path=runs/first step=1000`: keys are sorted, and values quoted if they
  /// would otherwise be ambiguous.
  static func line(_ message: String, _ metadata: Logger.Metadata) -> String {
    let pairs = metadata.sorted { $0.key < $1.key }.map { "\($0.key)=\(value("\($0.value)"))" }
    return ([escaped(message)] + pairs).joined(separator: " ")
  }

  /// For example, `2026-11-21T10:00:00Z`.
  static func timestamp(_ date: Date) -> String { date.formatted(.iso8601) }

  /// The message, prefixed with the level unless it is info, and with the rank unless it is 0.
  static func console(_ level: Logger.Level, _ text: String, rank: Int, hasColours: Bool) -> String {
    var name = level == .info ? "" : "\(level): "
    if hasColours, let colour = colour(level) { name = "\u{1B}[\(colour)m\(name)\u{1B}[0m" }
    return (rank == 0 ? "" : "[rank \(rank)] ") + name + text
  }

  /// Terminal codes for bold red, yellow and grey.
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

  /// Reverses the quoting done by `value`.
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

  /// Escapes control characters, so that a message stays on one line and cannot manipulate the terminal.
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
