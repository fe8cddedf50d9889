import Foundation
import Settings
import TestSupport
import Testing

/// Text that is no YAML, or more than it seems.
@Suite struct DamageTests {
  private static let text = """
    # A recipe.
    dataset: {path: data/shapes, horizontal_flip: true}
    model:
      kind: annotated-unet
      dim_mults: &widths [1, 2, 4]
      "others": *widths
    diffusion: {timesteps: 300, schedule: 'linear', loss: huber}
    optimizer:
      betas:
        - 0.9
        - 9.99e-1
      eps: 1.0e-8
      text: |
        two
        lines

    """

  /// All values below `node`, written out again.
  private static func readAll(_ node: SettingsNode) throws {
    let reader = try SettingsReader(node)
    _ = try? reader.section("model").value("dim_mults", default: [1], in: 1...64, help: "")
    _ = try? reader.section("optimizer").value(
      "betas", default: [0.5, 0.9], in: 0.0..<1.0, count: 2...2, help: "")
    _ = try? reader.finish()
    _ = node.yaml().utf8.count + node.json.utf8.count
  }

  @Test func damagedTextIsReadOrRefused() async {
    await #expect(processExitsWith: .success) {
      recordingErrors {
        let text = Array(DamageTests.text.utf8)
        try DamagedCopies(of: text, header: text.count).read(refused: 200, read: 200) { error in
          (error as? SettingsError).map { $0.description.count < 2000 } ?? false
        } _: { bytes in
          let text = String(decoding: bytes, as: UTF8.self)
          try DamageTests.readAll(SettingsNode(yaml: text, source: "a.yaml"))
        }
      }
    }
  }

  /// Nine lines for 10^9 values.
  @Test func aliasesThatGrowWithoutBoundAreRefused() throws {
    var text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    for level in 1...8 {
      text +=
        "a\(level): &a\(level) [\([String](repeating: "*a\(level - 1)", count: 10).joined(separator: ", "))]\n"
    }
    let error = #expect(throws: SettingsError.self) { try SettingsNode(yaml: text, source: "a.yaml") }
    #expect(error?.description.contains("aliases stand for more than") == true, "\(error as Any)")
  }

  @Test(arguments: ["[", "{a: ", "- "]) func nestingWithoutEndIsRefused(_ level: String) throws {
    let text = String(repeating: level, count: 200_000)
    let error = #expect(throws: SettingsError.self) { try SettingsNode(yaml: text, source: "a.yaml") }
    #expect((error?.description.count ?? 0) < 1000)
  }
}
