import Files
import Foundation
import Testing
import Text

/// Texts with the tokens that other programs make of them.
struct ReferenceCases {
  struct Case: Decodable {
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

  private struct File: Decodable {
    /// The path of the tokeniser from here.
    let tokenizer: String
    let cases: [Case]
  }

  init(file: String) throws {
    let content = try JSONDecoder().decode(File.self, from: Data(WholeFile.read(file)))
    tokenizer = try CLIPTokenizer(
      path: URL(filePath: file).deletingLastPathComponent().path + "/" + content.tokenizer)
    cases = content.cases
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
      let symbols = { (ids: [Int]) in
        ids[place...].prefix(6).map { reference.tokenizer.symbol(of: $0) ?? "?" }
      }
      return
        "\(test.text.prefix(80).debugDescription), token \(place): \(symbols(found)), expected \(symbols(test.tokens))"
    }
    #expect(different.isEmpty, "\(different.count) texts:\n\(shown.joined(separator: "\n"))")
  }
}
