import Foundation
import TestSupport
import Testing

/// `oboro tokenize`, on a folder whose golden values are transformers' (`Fixtures/generators/tokens.py`).
@Suite struct TokenizeTests {
  private struct Printed: Decodable {
    let ids: [Int]
    let tokens: [String]
    let inputIds: [Int]
    let length: Int
    let cut: Int
  }

  private struct Golden: Decodable {
    struct Case: Decodable {
      let text: String
      let tokens: [Int]
    }

    let cases: [Case]
  }

  private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fixtures/tokens").path

  private func tokenize(_ text: String, _ options: String...) throws -> ProcessRun {
    try oboro(["tokenize", "--tokenizer", "\(Self.fixtures)/sd1"] + options + ["--", text])
  }

  @Test func tokensAreThoseOfTransformers() throws {
    let golden = try JSONDecoder().decode(
      Golden.self, from: Data(contentsOf: URL(filePath: "\(Self.fixtures)/sd1.cases.json")))
    // A process's argument holds no zero byte.
    let cases = golden.cases.filter { !$0.text.utf8.contains(0) }
    for test in stride(from: 0, to: cases.count, by: 9).map({ cases[$0] }) {
      let run = try tokenize(test.text, "--json")
      try #require(run.exitStatus == 0, "\(run)")
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      let printed = try decoder.decode(Printed.self, from: Data(run.output.utf8))
      #expect(printed.inputIds == test.tokens && printed.tokens.count == printed.ids.count)
      #expect(printed.ids.count == printed.length + printed.cut)
      #expect(printed.ids.prefix(printed.length - 1).elementsEqual(test.tokens.prefix(printed.length - 1)))
    }
  }

  @Test func aLineATokenIsPrinted() throws {
    let run = try tokenize("Cat")
    #expect(run.exitStatus == 0 && run.errors == "", "\(run)")
    let words = run.outputLines.map { $0.split(separator: " ").map(String.init) }
    #expect(words.first?.last == "<|startoftext|>" && words.last?.last == "<|endoftext|>", "\(run)")
    #expect(words.dropFirst().dropLast().map { $0[1] }.joined() == "cat</w>", "\(run)")
    let long = try tokenize(String(repeating: "cat ", count: 200))
    #expect(long.exitStatus == 0 && long.errors.contains("are cut off"), "\(long)")
  }

  @Test func whatIsNoTokenizerIsNamed() throws {
    let folder = try TemporaryDirectory()
    expectFailure(
      try oboro(["tokenize", "cat", "--tokenizer", folder.path]), 65, "\(folder.path): has no vocab.json")
    expectFailure(
      try oboro(["tokenize", "cat", "--tokenizer", "\(folder.path)/none"]), 65, "none: does not exist")
    expectFailure(try oboro(["tokenize", "cat"]), 64, "Missing expected argument '--tokenizer <dir>'")
  }
}
