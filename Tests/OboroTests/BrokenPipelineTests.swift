import Foundation
import NumericsTestSupport
import Safetensors
import TestSupport
import Testing

/// Pipeline folders with something missing, wrong or of elsewhere; and folders that are written anew.
@Suite struct BrokenPipelineTests {
  private static func folder(_ name: String) -> String { Fixture.url("pipelines/\(name)").path }

  /// A copy of a pipeline, changed by `change`, from which nothing can be drawn.
  private func expectFailure(
    of family: String, status: Int32 = 65, _ message: String, options: [String] = ["--prompt", "a cat"],
    change: (_ folder: String) throws -> Void = { _ in }
  ) throws {
    let place = try TemporaryDirectory()
    let folder = "\(place.path)/folder"
    try copy(Self.folder(family), to: folder)
    try change(folder)
    let output = "\(place.path)/samples"
    let run = try oboro(
      ["sample", "--checkpoint", folder, "--output", output, "--steps", "1"] + options)
    OboroTests.expectFailure(run, status, message)
    #expect(!FileManager.default.fileExists(atPath: output))
  }

  private func replace(_ part: String, with other: String, in file: String) throws {
    let before = text(file)
    let after = before.replacingOccurrences(of: part, with: other)
    #expect(after != before, "\(file) has no \(part)")
    try after.write(toFile: file, atomically: true, encoding: .utf8)
  }

  @Test(arguments: ["vae", "text_encoder", "tokenizer", "scheduler", "unet"])
  func aMissingPartIsNamed(part: String) throws {
    try expectFailure(of: "sd1", part) { try FileManager.default.removeItem(atPath: "\($0)/\(part)") }
  }

  @Test func aPartThatTheIndexLacksIsNamed() throws {
    try expectFailure(of: "sd1", "names no vae") {
      try replace("\"diffusers\",\n    \"AutoencoderKL\"", with: "null, null", in: "\($0)/model_index.json")
    }
  }

  @Test func shardsThatAreMissingAreNamed() throws {
    let name = "diffusion_pytorch_model-00002-of-00003.safetensors"
    try expectFailure(of: "sd2", name) { try FileManager.default.removeItem(atPath: "\($0)/unet/\(name)") }
    try expectFailure(of: "sd1", "has no weights") {
      try FileManager.default.removeItem(atPath: "\($0)/vae/diffusion_pytorch_model.safetensors")
    }
  }

  @Test func infiniteWeightsAreNamed() throws {
    try expectFailure(of: "sd1", "NaN or infinite") { folder in
      let file = "\(folder)/unet/diffusion_pytorch_model.safetensors"
      var bytes = Array(try content(file))
      // float16's infinity.
      bytes[bytes.count - 2] = 0
      bytes[bytes.count - 1] = 0x7C
      try Data(bytes).write(to: URL(fileURLWithPath: file))
    }
  }

  @Test func aTokenizerOfAnotherEncoderIsRefused() throws {
    try expectFailure(of: "sd1", "tokens up to 1113") { folder in
      let (encoder, file) = ("\(folder)/text_encoder", "model.safetensors")
      try replace("\"vocab_size\": 1114", with: "\"vocab_size\": 1000", in: "\(encoder)/config.json")
      #expect(FileManager.default.fileExists(atPath: "\(encoder)/\(file)"))
    }
    try expectFailure(of: "sd1", "it makes 99 tokens of a text, and the encoder takes 77") {
      try replace(
        "\"model_max_length\": 77", with: "\"model_max_length\": 99",
        in: "\($0)/tokenizer/tokenizer_config.json")
    }
  }

  @Test func otherComponentsAreRefusedOrLeftOut() throws {
    try expectFailure(of: "sd1", "the pipeline has text_encoder_2") {
      try replace(
        "\"tokenizer\": [",
        with: "\"text_encoder_2\": [\"transformers\", \"CLIPTextModel\"], \"tokenizer\": [",
        in: "\($0)/model_index.json")
    }
  }

  @Test func whatPromptsNeedIsSaid() throws {
    try expectFailure(of: "sd1", status: 64, "give it one with --prompt", options: [])
    try expectFailure(of: "ddpm", status: 64, "reads no texts", options: ["--prompt", "a cat"])
    try expectFailure(of: "sd1", status: 64, "without --prompt", options: ["--negative-prompt", "x"])
    try expectFailure(
      of: "sd1", status: 64, "clip_skip", options: ["--prompt", "x", "--clip-skip", "3"])
  }

  /// A folder is written anew: equal tensors under their names, and every configuration as it was.
  @Test(arguments: ["sd1", "sd2"]) func aFolderBecomesAFolder(family: String) throws {
    let place = try TemporaryDirectory()
    let (source, folder) = ("\(place.path)/source", "\(place.path)/folder")
    try copy(Self.folder(family), to: source)
    try replace(
      "\"safety_checker\": [\n    null,\n    null\n  ]",
      with: "\"safety_checker\": [\"stable_diffusion\", \"StableDiffusionSafetyChecker\"]",
      in: "\(source)/model_index.json")
    let run = try oboro(["convert", source, folder, "--format", "diffusers"])
    try #require(run.exitStatus == 0, "\(run)")
    #expect(run.errors.contains("left out: safety_checker"))
    for name in [
      "scheduler/scheduler_config.json", "unet/config.json", "vae/config.json", "text_encoder/config.json",
      "tokenizer/vocab.json", "tokenizer/merges.txt", "tokenizer/tokenizer_config.json",
    ] { #expect(try content("\(folder)/\(name)") == content("\(source)/\(name)"), "\(name)") }
    for (part, stem) in [
      ("unet", "diffusion_pytorch_model"), ("vae", "diffusion_pytorch_model"), ("text_encoder", "model"),
    ] {
      let after = try SafetensorsFile(path: "\(folder)/\(part)/\(stem).safetensors")
      var names: [String] = []
      for file in try FileManager.default.contentsOfDirectory(atPath: "\(source)/\(part)")
      where file.hasSuffix(".safetensors") {
        let before = try SafetensorsFile(path: "\(source)/\(part)/\(file)")
        names += before.names
        for name in before.names { #expect(try before.floats(name) == after.floats(name), "\(part) \(name)") }
      }
      #expect(names.sorted() == after.names.sorted())
    }
    #expect(!text("\(folder)/model_index.json").contains("StableDiffusionSafetyChecker"))
  }
}
