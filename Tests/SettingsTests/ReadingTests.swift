import Settings
import Testing

enum Schedule: String, CaseIterable { case linear, cosine }

/// Reads one key of `yaml` and gives the error's text.
func message(_ yaml: String, _ read: (SettingsReader) throws -> Void) throws -> String {
  let reader = try SettingsReader(SettingsNode(yaml: yaml, source: "a.yaml"))
  let error = try #require(throws: SettingsError.self) { try read(reader) }
  return error.description
}

@Suite struct ReadingTests {
  @Test func missingKeysHaveTheirDefaults() throws {
    let reader = try SettingsReader(.empty).section("model")
    #expect(try reader.value("dim", default: 28, in: 1...4096, help: "width") == 28)
    #expect(try reader.value("dim_mults", default: [1, 2, 4], in: 1...64, help: "widths") == [1, 2, 4])
    #expect(try reader.value("init_dim", as: Int.self, help: "first width") == nil)
    #expect(try reader.choice("schedule", default: Schedule.cosine, help: "schedule") == .cosine)
    #expect(try reader.choice("kind", among: ["a", "b"], default: "b", help: "kind") == "b")
    try reader.finish()
  }

  @Test func givenValuesAreRead() throws {
    let yaml = """
      whole: 0x1F
      exponent: 1e5
      seed: 18446744073709551615
      real: 1e-3
      fromWhole: 2
      flag: true
      name: 007
      path: "a: b"
      list: [0.9, 0.999]
      block:
        - 1
        - 2
      one: 5
      schedule: cosine
      nothing: null
      """
    let r = try SettingsReader(SettingsNode(yaml: yaml, source: "a.yaml"))
    #expect(try r.value("whole", default: 0, help: "") == 31)
    #expect(try r.value("exponent", default: 0, help: "") == 100_000)
    #expect(try r.value("seed", default: UInt64(0), help: "") == UInt64.max)
    #expect(try r.value("real", default: 1.0, in: Above(0), help: "") == 0.001)
    #expect(try r.value("fromWhole", default: 1.0, help: "") == 2)
    #expect(try r.value("flag", default: false, help: ""))
    #expect(try r.required("name", as: String.self, help: "") == "007")
    #expect(try r.required("path", help: "") == "a: b")
    #expect(try r.value("list", default: [0.5, 0.5], in: 0..<1, count: 2...2, help: "") == [0.9, 0.999])
    #expect(try r.value("block", default: [Int](), help: "") == [1, 2])
    #expect(try r.value("one", as: Int.self, in: 1..., help: "") == 5)
    #expect(try r.requiredChoice("schedule", as: Schedule.self, help: "") == .cosine)
    #expect(try r.value("nothing", as: Double.self, help: "") == nil)
    try r.finish()
  }

  @Test(arguments: [
    "1": 1.0, "1.5": 1.5, "1e-3": 0.001, "1.0e-08": 1e-8, "1E+2": 100, ".5": 0.5, "5.": 5, "-2.5e1": -25,
    "+3": 3,
  ])
  func realNumbersInEverySpelling(_ text: String, _ value: Double) throws {
    let reader = try SettingsReader(SettingsNode(yaml: "x: \(text)", source: "a.yaml"))
    #expect(try reader.value("x", default: 0.0, help: "") == value)
  }

  @Test(arguments: [".inf", "nan", ".nan", "0x1p3", "1e999", "infinity", "1.2.3", "1e", "e5", "."])
  func whatIsNoFiniteNumberIsRefused(_ text: String) throws {
    let error = try message("x: \(text)") { _ = try $0.value("x", default: 0.0, help: "") }
    #expect(error.filter { $0 != "\"" } == "a.yaml:1: x: expected a number, found \(text)")
  }

  @Test func valuesOfAnotherTypeAreRefusedWithPlaceAndExpectation() throws {
    let whole = "expected a whole number from 1 to 4096, found"
    for (given, found) in [
      ("wide", "wide"), ("\"28\"", "\"28\""), ("2.5", "2.5"), ("0", "0"), ("4097", "4097"), ("[1]", "[1]"),
      ("{a: 1}", "{a: 1}"), ("true", "true"), ("", "nothing"),
      ("99999999999999999999", "99999999999999999999"),
    ] {
      let text = try message("# first line\nmodel:\n  dim: \(given)") {
        _ = try $0.section("model").value("dim", default: 28, in: 1...4096, help: "")
      }
      #expect(text == "a.yaml:3: model.dim: \(whole) \(found)")
    }
    #expect(
      try message("x: -1") { _ = try $0.value("x", default: UInt64(1), help: "") }
        == "a.yaml:1: x: expected a non-negative whole number below 2^64, found -1")
    #expect(
      try message("x: yes") { _ = try $0.value("x", default: true, help: "") }
        == "a.yaml:1: x: expected true or false, found \"yes\"")
    #expect(
      try message("x: cosin") { _ = try $0.choice("x", default: Schedule.linear, help: "") }
        == "a.yaml:1: x: expected one of linear, cosine, found cosin")
    #expect(
      try message("x: 0") { _ = try $0.value("x", default: 1.0, in: Above(0), help: "") }
        == "a.yaml:1: x: expected a number above 0.0, found 0")
    #expect(
      try message("x: 0") { _ = try $0.value("x", as: Int.self, in: 1..., help: "") }
        == "a.yaml:1: x: expected a whole number of at least 1, or null, found 0")
  }

  @Test func listsAreCheckedElementByElement() throws {
    func read(_ r: SettingsReader) throws {
      _ = try r.value("betas", default: [0.9, 0.999], in: 0..<1, count: 2...2, help: "")
    }
    let expected = "expected a list (length equal to 2), each element a number from 0.0 to below 1.0, found"
    #expect(try message("betas: [0.9]", read) == "a.yaml:1: betas: \(expected) [0.9]")
    #expect(try message("betas: 0.9", read) == "a.yaml:1: betas: \(expected) 0.9")
    #expect(try message("betas:\n- 0.9\n- 1", read) == "a.yaml:3: betas: \(expected) 1")
  }

  @Test func aSectionMustBeOne() throws {
    #expect(
      try message("model: 3") { _ = try $0.section("model") }
        == "a.yaml:1: model: expected a section of keys and values, found 3")
    let reader = try SettingsReader(SettingsNode(yaml: "model:\n", source: "a.yaml"))
    #expect(try reader.section("model").value("dim", default: 28, help: "") == 28)
    #expect(try reader.section("model") === reader.section("model"))
  }

  @Test func aMissingKeyIsNamedWithItsHelp() throws {
    #expect(
      try message("dataset:\n  horizontal_flip: true") {
        _ = try $0.section("dataset").required("path", as: String.self, help: "the dataset's directory")
      } == "a.yaml:2: dataset.path: is missing: expected text (the dataset's directory)")
    #expect(
      try message("dataset: {Paht: x}") {
        _ = try $0.section("dataset").required("path", as: String.self, help: "the dataset's directory")
      } == "a.yaml:1: dataset.path: is missing: expected text (the dataset's directory); "
        + "found the unknown key \"Paht\"")
  }

  @Test func unknownKeysAreAllReportedWithAdvice() throws {
    let yaml = """
      optimizer:
        learning_rte: 1
        lr: 1
      training: {steps: 3}
      batch_size: 4
      trianing: {}
      """
    let text = try message(yaml) { r in
      let optimizer = try r.section("optimizer")
      _ = try optimizer.value("learning_rate", default: 0.001, help: "")
      _ = try optimizer.value("eps", default: 0.001, help: "")
      let training = try r.section("training")
      _ = try training.value("steps", default: 1, help: "")
      _ = try training.value("batch_size", default: 1, help: "")
      try r.finish()
    }
    #expect(
      text == """
        a.yaml:5: batch_size: unknown key; did you mean "training.batch_size"?
        a.yaml:6: trianing: unknown key; did you mean "training"?
        a.yaml:2: optimizer.learning_rte: unknown key; did you mean "learning_rate"?
        a.yaml:3: optimizer.lr: unknown key; known here: learning_rate, eps
        """)
  }

  @Test func rulesBetweenKeysAreReportedAtTheirKey() throws {
    let reader = try SettingsReader(SettingsNode(yaml: "model:\n  groups: 5", source: "a.yaml"))
    let error = try reader.section("model").invalid("groups", "must divide dim (28)")
    #expect(error.description == "a.yaml:2: model.groups: must divide dim (28)")
    #expect(
      try reader.section("model").invalid("dim", "is odd").description == "model.dim: is odd")
  }

  @Test func declarationsSayWhatTheCallsSay() throws {
    let reader = try SettingsReader(["model": ["kind": "dit"]])
    let model = try reader.section("model")
    _ = try model.requiredChoice("kind", among: ["dit"], help: "which model")
    _ = try model.value("dim", default: 28, in: 1...4096, help: "width")
    #expect(
      reader.declarations.map { [$0.path, $0.expectation, $0.defaultValue, $0.help] } == [
        ["model.kind", "one of dit", nil, "which model"],
        ["model.dim", "a whole number from 1 to 4096", "28", "width"],
      ])
  }
}
