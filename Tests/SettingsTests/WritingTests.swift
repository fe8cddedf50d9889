import Settings
import Testing

@Suite struct WritingTests {
  private func sample() throws -> SettingsReader {
    let reader = try SettingsReader(["optimizer": ["eps": 1e-8], "dataset": ["path": "on"]])
    let dataset = try reader.section("dataset")
    _ = try dataset.required("path", as: String.self, help: "directory")
    let optimizer = try reader.section("optimizer")
    _ = try optimizer.value("learning_rate", default: 1e-3, in: Above(0), help: "step size")
    _ = try optimizer.value("betas", default: [0.9, 0.999], help: "decays")
    _ = try optimizer.value("eps", default: 1e-6, help: "least denominator")
    _ = try optimizer.value("weight_decay", default: 0.0, help: "decay")
    _ = try optimizer.value("warmup_steps", as: Int.self, help: "warm-up")
    return reader
  }

  @Test func theResolvedTreeIsWrittenInDeclaredOrder() throws {
    #expect(
      try sample().resolved.yaml() == """
        dataset:
          path: "on"
        optimizer:
          learning_rate: 0.001
          betas: [0.9, 0.999]
          eps: 1.0e-08
          weight_decay: 0.0
          warmup_steps: null

        """)
  }

  @Test func helpFollowsItsKey() throws {
    let yaml = try sample().commentedYAML()
    #expect(yaml.contains("  learning_rate: 0.001  # step size\n"))
    #expect(try SettingsNode(yaml: yaml, source: "") == sample().resolved)
  }

  @Test func jsonReadsBackAsTheSameTree() throws {
    let resolved = try sample().resolved
    #expect(
      resolved.json
        == #"{"dataset": {"path": "on"}, "optimizer": {"learning_rate": 0.001, "betas": [0.9, 0.999], "#
        + #""eps": 1.0e-08, "weight_decay": 0.0, "warmup_steps": null}}"#)
    #expect(try SettingsNode(yaml: resolved.json, source: "") == resolved)
  }

  @Test(arguments: [
    "plain", "two words", "", "null", "~", "true", "Yes", "n", "12", "1e-3", ".5", "0x10", "2026-01-01",
    "1:30",
    "a: b", "# no comment", "- x", "/data/fashion-mnist", "../x", "back\\slash", "\"quoted\"", "line\nbreak",
    "tab\tbell\u{7}", "ünïcode ✓", "\u{2028}", " space ", "@at", "*star", "&and", "!tag", "=", "<<", ".inf",
  ])
  func anyTextReadsBackAsItself(_ text: String) throws {
    let tree = SettingsNode(
      .section([
        SettingsEntry(key: "key", node: [SettingsNode(stringLiteral: text)]),
        SettingsEntry(key: text, node: 1),
      ]))
    for written in [tree.yaml(), tree.json] {
      let reader = try SettingsReader(SettingsNode(yaml: written, source: ""))
      #expect(try reader.value("key", default: [String](), help: "") == [text])
      #expect(reader.isGiven(text))
      #expect(try SettingsNode(yaml: written, source: "") == tree)
    }
  }

  @Test(arguments: [0.1, 1e-8, 1e22, 2.5e-300, 1.7976931348623157e308, -0.5, 1.0 / 3, 123_456_789.123])
  func realNumbersKeepEveryBit(_ number: Double) throws {
    let tree: SettingsNode = ["x": SettingsNode(floatLiteral: number)]
    let reader = try SettingsReader(SettingsNode(yaml: tree.yaml(), source: ""))
    #expect(try reader.value("x", default: 7.0, help: "").bitPattern == number.bitPattern)
  }

  @Test func valuesAreComparedByMeaning() throws {
    let a = try SettingsNode(yaml: "a: 1e-3\nb: 1e3\nc: 0x10\nd: text\ne: [1, 2.0]", source: "")
    let b = try SettingsNode(yaml: "e: [1.0, 2]\nd: \"text\"\nc: 16\nb: 1000\na: 0.001", source: "")
    #expect(a == b)
    #expect(SettingsNode.differences(a, b).isEmpty)
    #expect(try a != SettingsNode(yaml: "a: 1e-3\nb: 1e3\nc: \"16\"\nd: text\ne: [1, 2]", source: ""))
    #expect(
      try SettingsNode(yaml: "16777216.0000001", source: "") != SettingsNode(yaml: "16777216", source: ""))
  }

  @Test func differencesNameKeyAndBothValues() throws {
    let old: SettingsNode = ["model": ["dim": 28, "mults": [1, 2]], "seed": 0, "gone": ["x": 1]]
    let new: SettingsNode = ["model": ["dim": 64, "mults": [1, 2, 4], "added": true], "seed": 0.0]
    #expect(
      SettingsNode.differences(old, new).map(\.description) == [
        "model.dim: 28, now 64", "model.mults: [1, 2], now [1, 2, 4]", "model.added: missing, now true",
        "gone.x: 1, now missing",
      ])
    #expect(
      SettingsNode.differences(["a": ["b": 1]], ["a": 2]).map(\.description) == ["a: {b: 1}, now 2"])
  }
}
