import Foundation
import Safetensors
import TestSupport
import Testing

/// `oboro check` on cases of published classes: of each role, whole and spoilt.
@Suite struct CheckedKindsTests {
  private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(components: "Fixtures").path

  private static let kinds = [
    "unet-2d", "unet-condition", "autoencoder-kl", "clip-text", "clip", "adapters", "controlnet",
  ]
  private static let cases = kinds.flatMap { kind in
    let names = try? FileManager.default.contentsOfDirectory(atPath: "\(fixtures)/\(kind)")
    return (names ?? []).map { "\(kind)/\($0)" }
  }

  @Test(arguments: cases) func everyCaseIsWithinTolerance(name: String) throws {
    let run = try oboro(["check", "\(Self.fixtures)/\(name)"])
    #expect(run.exitStatus == 0 && run.errors == "", "\(run)")
    #expect(run.outputLines.last?.hasSuffix("all within 0.0001") == true, "\(run)")
  }

  @Test func everyKindHasCases() {
    #expect(Set(Self.cases.map { $0.split(separator: "/")[0] }).count == 7 && Self.cases.count >= 30)
  }

  /// What to change of a case.
  private struct Change {
    var metadata: [String: String?] = [:]
    /// The name in the copy; nil leaves the tensor out.
    var name: (String) -> String? = { $0 }
    var floats: (String, [Float]) -> [Float] = { $1 }
    var int64s: (String, [Int64]) -> [Int64] = { $1 }
  }

  /// Checks a copy of a case with something changed.
  private func check(_ name: String, _ change: Change, json: Bool = false) throws -> ProcessRun {
    let folder = try TemporaryDirectory()
    let file = try SafetensorsFile(path: "\(Self.fixtures)/\(name).safetensors")
    var metadata = file.metadata
    for (key, value) in change.metadata { metadata[key] = value }
    var writer = SafetensorsWriter(metadata: metadata)
    for name in file.names {
      guard let newName = change.name(name) else { continue }
      let shape = try file.shape(of: name)
      if try file.elementType(of: name) == .int64 {
        writer.add(newName, shape: shape, int64s: change.int64s(name, try file.int64s(name)))
      } else {
        writer.add(newName, shape: shape, floats: change.floats(name, try file.floats(name)))
      }
    }
    let path = "\(folder.path)/case.safetensors"
    try writer.write(to: path)
    return try oboro(["check", path] + (json ? ["--json"] : []))
  }

  /// The case's section `model` with keys more, or of another value.
  private func model(_ name: String, _ keys: [String: Any]) throws -> Change {
    let file = try SafetensorsFile(path: "\(Self.fixtures)/\(name).safetensors")
    let text = try #require(file.metadata["model"])
    var section = try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    for (key, value) in keys { section[key] = value }
    let data = try JSONSerialization.data(withJSONObject: section)
    return Change(metadata: ["model": String(decoding: data, as: UTF8.self)])
  }

  private static let small = [
    "unet-2d/no-middle-huber", "unet-condition/no-middle-huber", "autoencoder-kl/one-stage-l2",
    "clip-text/gelu-short-huber", "clip/small",
  ]

  @Test(arguments: small) func anUnknownKeyIsNamed(name: String) throws {
    let run = try check(name, try model(name, ["hiden_channels": 3]))
    expectFailure(run, 64, "model.hiden_channels: unknown key")
  }

  /// As a `config.json` has them.
  @Test(arguments: small) func keysThatComputeNothingAreTaken(name: String) throws {
    var keys: [String: Any] = ["_name_or_path": "somewhere"]
    if !name.hasPrefix("clip") {
      keys["_class_name"] = "Anything"
      keys["_diffusers_version"] = "0.0.1"
      keys["sample_size"] = [8, 12]
    } else {
      keys["architectures"] = ["CLIPModel"]
      keys["torch_dtype"] = "float32"
    }
    let run = try check(name, try model(name, keys))
    #expect(run.exitStatus == 0, "\(run)")
  }

  /// Null where it is what the class takes for nothing, and where it is not.
  @Test func nullIsWhatNoneIs() throws {
    let name = "unet-2d/no-middle-huber"
    let none: [String: Any] = [
      "sample_size": NSNull(), "time_embedding_dim": NSNull(), "num_class_embeds": NSNull(),
      "class_embed_type": NSNull(), "attn_norm_num_groups": NSNull(), "center_input_sample": NSNull(),
      "downsample_type": NSNull(),
    ]
    #expect(try check(name, try model(name, none)).exitStatus == 0)
    expectFailure(
      try check(name, try model(name, ["norm_num_groups": NSNull()])), 64, "model.norm_num_groups: expected")
    expectFailure(
      try check(name, try model(name, ["class_embed_type": "timestep"])), 64, "model.class_embed_type")
  }

  @Test func anUnknownKindNamesThoseOfEveryRole() throws {
    let run = try check("clip/small", Change(metadata: ["model": "{\"kind\": \"unet-3d\"}"]))
    expectFailure(run, 64, "model.kind: expected one of")
    for kind in ["unet-2d", "autoencoder-kl", "clip-text", "clip"] { #expect(run.errors.contains(kind)) }
  }

  /// What is wrong with an adapter, or with a control network, is named.
  @Test func adaptersAndControlThatDoNotFitAreNamed() throws {
    let lora = "adapters/lora-convolutions"
    func adapter(_ text: String) -> Change { Change(metadata: ["adapter": text]) }
    expectFailure(
      try check(lora, adapter("{\"targets\": [\"to_qq\"]}")), 64,
      "adapter.targets: no linear layer or convolution")
    expectFailure(try check(lora, adapter("{\"targets\": [\"to_out.1\"]}")), 64, "did you mean to_out.0?")
    expectFailure(try check(lora, adapter("{\"rnak\": 2}")), 64, "did you mean \"rank\"")
    expectFailure(
      try check(lora, adapter("{\"targets\": [\"to_q\"]}")), 65, "which is no target")
    expectFailure(
      try check(lora, adapter("{\"targets\": \"all\", \"kind\": \"loha\"}")), 65, "is of kind lora")
    let down = "adapter/mid_block.resnets.0.conv1.lora_A.weight"
    expectFailure(
      try check(lora, Change(name: { $0 == down ? nil : $0 })), 65, "lacks mid_block.resnets.0.conv1")
    expectFailure(
      try check(
        lora,
        Change(name: {
          $0.replacing("adapter/mid_block.resnets.0.conv1", with: "adapter/mid_block.resnets.0.conv3")
        })),
      65, "the nearest is mid_block.resnets.0.conv1")

    let control = "controlnet/halved-twice-l2"
    expectFailure(
      try check(control, Change(name: { $0 == "control" ? nil : $0 })), 65, "lacks: control")
    expectFailure(
      try check(
        control,
        Change(metadata: [
          "model":
            "{\"denoiser\": {\"kind\": \"unet-2d\", \"in_channels\": 4}, \"control\": {\"kind\": \"controlnet\"}}"
        ])), 64, "takes no residuals of a control network")
  }

  @Test func inputsThatDoNotFitAreNamed() throws {
    let unet = "unet-condition/no-middle-huber"
    expectFailure(
      try check(unet, Change(name: { $0 == "context" ? nil : $0 })), 65,
      "context is missing, expected [1, L, 10]")
    let autoencoder = "autoencoder-kl/one-stage-l2"
    expectFailure(
      try check(autoencoder, Change(name: { $0 == "noise" ? nil : $0 })), 65, "lacks: noise")
    expectFailure(
      try check("autoencoder-kl/two-stages-l1", Change(metadata: ["kl_weight": "much"])), 65,
      "its metadata \"kl_weight\" is much, expected a number")
    expectFailure(
      try check("clip-text/gelu-short-huber", Change(int64s: { _, values in values.map { $0 + 30 } })), 65,
      "tokens holds")
    expectFailure(
      try check("clip/small", Change(metadata: ["loss": "l2"])), 65, "\"loss\" is l2, expected contrastive")
    expectFailure(
      try check("unet-2d/no-middle-huber", Change(metadata: ["loss": "contrastive"])), 65,
      "expected one of l1, l2, huber")
  }

  /// The divergence has a part in the loss and in the encoder's gradients.
  @Test func theWeightOfTheDivergenceCounts() throws {
    let run = try check(
      "autoencoder-kl/two-stages-l1", Change(metadata: ["kl_weight": "0.5"]), json: true)
    #expect(run.exitStatus == 1)
    let report = try #require(
      JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
    #expect(try #require(report["output_error"] as? Double) < 1e-4)
    #expect(try #require(report["loss_error"] as? Double) > 0.1)
    #expect(try #require(report["worst_gradient"] as? String).hasPrefix("encoder."))
  }

  /// Names as transformers had them before its fifth version.
  @Test func textEncodersUnderTheirOlderNames() throws {
    let run = try check(
      "clip-text/gelu-short-huber",
      Change(name: { name in
        for prefix in ["model/", "grad/"] where name.hasPrefix(prefix) {
          return prefix + "text_model." + name.dropFirst(prefix.count)
        }
        return name
      }))
    #expect(run.exitStatus == 0 && run.output.contains("grad/text_model.final_layer_norm.weight"), "\(run)")
  }

  @Test func aWrongGradientIsNamed() throws {
    let run = try check(
      "clip/small", Change(floats: { $0 == "grad/logit_scale" ? $1.map { $0 * 1.01 } : $1 }), json: true)
    #expect(run.exitStatus == 1 && run.output.contains("\"worst_gradient\": \"logit_scale\""), "\(run)")
  }
}
