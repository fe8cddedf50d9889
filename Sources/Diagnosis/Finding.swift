/// The result of a check.
package struct Finding: Codable, Equatable, Sendable {
  package enum Level: String, Codable, Sendable, Comparable {
    case fine, advice, problem

    package static func < (a: Level, b: Level) -> Bool { a.order < b.order }
    private var order: Int { self == .fine ? 0 : self == .advice ? 1 : 2 }
  }

  package let level: Level
  /// The subject of the check, such as `threads of OpenBLAS`.
  package let subject: String
  package let text: String
  /// What to do about it; nil if all is well.
  package let remedy: String?
  /// The ranks concerned; empty for all.
  package let ranks: [Int]

  init(_ subject: String, _ text: String) {
    (level, self.subject, self.text, remedy, ranks) = (.fine, subject, text, nil, [])
  }

  init(_ level: Level, _ subject: String, _ text: String, remedy: String, ranks: [Int] = []) {
    self.level = level
    self.subject = subject
    self.text = text
    self.remedy = remedy
    self.ranks = ranks
  }
}
