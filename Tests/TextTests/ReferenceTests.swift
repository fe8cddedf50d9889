import Foundation
import Testing

@testable import Text

/// Texts with the tokens that other programs make of them.
struct ReferenceCases {
  struct Case {
    let text: String
    let tokens: [Int]
  }

  let tokenizer: CLIPTokenizer
  let cases: [Case]

  static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().path + "/../Fixtures/tokens"

  /// The committed ones, and those of a full comparison where `OBORO_TOKENS` names its folder.
  static let files: [String] = {
    let folders = [fixtures] + [ProcessInfo.processInfo.environment["OBORO_TOKENS"]].compactMap { $0 }
    return folders.flatMap { folder in
      ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
        .filter { $0.hasSuffix(".cases.json") }.sorted().map { "\(folder)/\($0)" }
    }
  }()

  init(file: String) throws {
    let json = try JSONParser.value(of: file)
    let name = try #require(json["tokenizer"]?.string)
    tokenizer = try CLIPTokenizer(path: URL(filePath: file).deletingLastPathComponent().path + "/" + name)
    guard case .array(let entries)? = json["cases"]?.content else { throw TokenizerError(file, "has no cases") }
    cases = try entries.map { entry in
      guard case .array(let tokens)? = entry["tokens"]?.content, let text = entry["text"]?.string else {
        throw TokenizerError(file, line: entry.line, "not a case")
      }
      return Case(text: text, tokens: tokens.compactMap(\.int))
    }
  }
}

@Suite struct ReferenceTests {
  @Test func thereAreCasesOfEveryKindOfFolder() {
    #expect(ReferenceCases.files.count >= 5)
  }

  /// Generator: Tests/Fixtures/generators/tokens.py.
  @Test(arguments: ReferenceCases.files) func tokensAreThoseOfTheReference(file: String) throws {
    let reference = try ReferenceCases(file: file)
    #expect(reference.cases.count >= 100)
    var different: [ReferenceCases.Case] = []
    for test in reference.cases where reference.tokenizer.encode(test.text).tokens != test.tokens {
      different.append(test)
    }
    if file.hasPrefix(ProcessInfo.processInfo.environment["OBORO_TOKENS"] ?? "//") {
      print("\(file): \(reference.cases.count - different.count) of \(reference.cases.count) texts agree")
    }
    let shown = different.prefix(10).map { test in
      let found = reference.tokenizer.encode(test.text).tokens
      let place = zip(found, test.tokens).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? 0
      let symbols = { (ids: [Int]) in ids[place...].prefix(6).map { reference.tokenizer.symbol(of: $0) ?? "?" } }
      return "\(test.text.prefix(80).debugDescription), token \(place): \(symbols(found)), expected \(symbols(test.tokens))"
    }
    #expect(different.isEmpty, "\(different.count) texts:\n\(shown.joined(separator: "\n"))")
  }
}
