import Foundation
import Settings
import Testing

@Suite struct SourceTests {
  private func failure(_ yaml: String) throws -> String {
    try #require(throws: SettingsError.self) { try SettingsNode(yaml: yaml, source: "a.yaml") }.description
  }

  @Test func jsonIsRead() throws {
    let node = try SettingsNode(
      yaml: #"{"model": {"kind": "dit", "dims": [1, 2.5e-3], "flag": true, "none": null}}"#, source: "m")
    #expect(node == ["model": ["kind": "dit", "dims": [1, 0.0025], "flag": true, "none": nil]])
  }

  @Test func textWithoutContentIsAnEmptySection() throws {
    #expect(try SettingsNode(yaml: "# nothing\n", source: "a.yaml") == .empty)
  }

  @Test func aliasesStandForTheirTargets() throws {
    #expect(try SettingsNode(yaml: "a: &x [1]\nb: *x", source: "a.yaml") == ["a": [1], "b": [1]])
  }

  @Test func aDoubledKeyIsRefused() throws {
    let text = try failure("model:\n  dim: 1\n  kind: dit\n  \"dim\": 2")
    #expect(text == "a.yaml:2: \"dim\" stands more than once in one section")
  }

  @Test func whatIsNoYAMLIsRefusedWithItsLine() throws {
    #expect(
      try failure("a: 1\nb: [1, 2\nc: 3").hasPrefix("a.yaml:3: is no YAML: while parsing a flow sequence"))
    #expect(try failure("a: 1\n---\nb: 2").hasPrefix("a.yaml:2: is no YAML: expected a single document"))
    #expect(try failure("? [1]\n: 2") == "a.yaml:1: expected a name as key")
    #expect(try failure("a: *nowhere").hasPrefix("a.yaml:1: is no YAML: found undefined alias"))
  }

  @Test func filesAreReadAndMissingOnesNamed() throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).yaml").path
    #expect(throws: SettingsError(location: SettingsLocation(source: path), "there is no such file")) {
      try SettingsNode(contentsOfFile: path)
    }
    try Data("a: 1".utf8).write(to: URL(fileURLWithPath: path))
    #expect(try SettingsNode(contentsOfFile: path) == ["a": 1])
    #expect(try SettingsNode(contentsOfFile: path)["a"]?.location?.description == "\(path):1")
    try Data([0x61, 0x3A, 0x20, 0xFF]).write(to: URL(fileURLWithPath: path))
    #expect(throws: SettingsError(location: SettingsLocation(source: path), "is no text in UTF-8")) {
      try SettingsNode(contentsOfFile: path)
    }
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    #expect(throws: SettingsError(location: SettingsLocation(source: path), "is a folder, expected a file")) {
      try SettingsNode(contentsOfFile: path)
    }
    try FileManager.default.removeItem(atPath: path)
  }

  @Test func overridesReplaceAddAndCreateSections() throws {
    let node: SettingsNode = ["model": ["dim": 28, "kind": "dit"], "dataset": nil]
    let changed = try node.applying(overrides: [
      "model.dim=32", "model.dim=64", "model.dim_mults=[1, 2]", "training.steps=1e3", "dataset.path=a=b",
      "sampling={every: 5}", "model.init=",
    ])
    #expect(
      changed == [
        "model": ["dim": 64, "kind": "dit", "dim_mults": [1, 2], "init": nil], "dataset": ["path": "a=b"],
        "training": ["steps": 1000], "sampling": ["every": 5],
      ])
  }

  @Test func overridesAreNamedInErrors() throws {
    let node: SettingsNode = ["model": ["dim": 28]]
    let reader = try SettingsReader(node.applying(overrides: ["model.dim=x", "model.dmi=1"]))
    let type = #expect(throws: SettingsError.self) {
      try reader.section("model").value("dim", default: 1, help: "")
    }
    #expect(type?.description == "--set model.dim=x: model.dim: expected a whole number, found x")
    let unknown = #expect(throws: SettingsError.self) {
      try SettingsReader(node.applying(overrides: ["modle.dim=1"])).finish()
    }
    #expect(unknown?.description.contains("--set modle.dim=1: modle: unknown key") == true)
  }

  @Test(arguments: [
    ("steps", "--set steps: expected KEY=VALUE, such as training.steps=1000"),
    ("=1", "--set =1: expected a key, its sections parted by points, such as training.steps"),
    ("a..b=1", "--set a..b=1: expected a key, its sections parted by points, such as training.steps"),
    ("model.dim.x=1", "--set model.dim.x=1: model.dim: is 28, not a section that could hold \"x\""),
    ("model.dim=[1", "--set model.dim=[1: is no YAML: while parsing a flow sequence"),
  ])
  func wrongOverridesAreRefused(_ override: String, _ start: String) throws {
    let node: SettingsNode = ["model": ["dim": 28]]
    let error = #expect(throws: SettingsError.self) { try node.applying(overrides: [override]) }
    #expect(error?.description.hasPrefix(start) == true, "\(String(describing: error))")
  }
}
