import Foundation
import NumericsTestSupport
import Safetensors
import TestSupport
import Testing

/// Folders of diffusers' `StableDiffusionPipeline`, of what was trained here and of the original program's single files.
@Suite struct StableDiffusionConvertTests {
  private static let pipeline = Fixture.url("pipelines/sd1").path
  private static let single = Fixture.url("pipelines/sd1-compvis.safetensors").path
  private static let tokenizer = Fixture.url("tokens/sd1").path

  private func images(_ model: String, _ options: [String], in folder: String) throws -> [Float] {
    let output = "\(folder)/samples"
    let run = try oboro(
      ["sample", "--checkpoint", model, "--output", output, "--format", "numpy"] + options)
    try #require(run.exitStatus == 0, "\(run)")
    let data = try content("\(output)/samples.npy")
    return data.suffix(from: data.startIndex + 128).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
  }

  private func json(_ file: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: content(file)) as? [String: Any])
  }

  /// Expects the tensors and the settings of a pipeline's folder.
  private func expectPipeline(_ output: String, like pipeline: String) throws {
    for (part, file, prefix) in [
      ("unet", "diffusion_pytorch_model", ""), ("vae", "diffusion_pytorch_model", ""),
      ("text_encoder", "model", "text_model."),
    ] {
      let made = try SafetensorsFile(path: "\(output)/\(part)/\(file).safetensors")
      let originals = try names(in: "\(pipeline)/\(part)").filter { $0.hasSuffix(".safetensors") }
        .map { try SafetensorsFile(path: "\(pipeline)/\(part)/\($0)") }
      var expectedNames: [String] = []
      for original in originals {
        for old in original.names {
          let name = old.hasPrefix(prefix) ? old : prefix + old
          expectedNames.append(name)
          try #require(made.contains(name), "\(part): \(name)")
          #expect(try made.shape(of: name) == original.shape(of: old), "\(name)")
          #expect(try made.floats(name) == original.floats(old), "\(name)")
        }
      }
      #expect(made.names.sorted() == expectedNames.sorted(), "\(part)")
      // What the shapes say is what the pipeline's configuration says.
      let (own, expected) = (
        try json("\(output)/\(part)/config.json"), try json("\(pipeline)/\(part)/config.json")
      )
      for (key, value) in own where !["bos_token_id", "eos_token_id", "architectures"].contains(key) {
        #expect(
          expected[key].map { "\($0)" == "\(value)" || [$0, value].contains { $0 is NSNull } } ?? false,
          "\(part).\(key): \(value), expected \(expected[key] ?? "nothing")")
      }
    }
  }

  /// Its text encoder is open_clip's, with a layer more than is used and queries, keys and values in one tensor.
  @Test func aSingleFileOfTheSecondVersionBecomesItsPipeline() throws {
    let folder = try TemporaryDirectory()
    let (output, pipeline) = ("\(folder.path)/pipeline", Fixture.url("pipelines/sd2").path)
    let arguments =
      [
        "convert", Fixture.url("pipelines/sd2-compvis.safetensors").path, output, "--format", "diffusers",
        "--tokenizer", Fixture.url("tokens/merges.txt").path,
      ]
      + [
        "unet.attention_head_dim=[1, 2]", "unet.norm_num_groups=4", "unet.sample_size=8",
        "vae.norm_num_groups=2", "vae.scaling_factor=0.3", "vae.sample_size=16",
        "text_encoder.num_attention_heads=3",
      ].flatMap { ["--set", $0] }
    expectFailure(
      try oboro(arguments), 64,
      "scheduler.prediction_type: what Stable Diffusion 2 predicts is not in its file")
    #expect(!exists(output))
    let run = try oboro(arguments + ["--set", "scheduler.prediction_type=v_prediction"])
    try #require(run.exitStatus == 0, "\(run)")
    try expectPipeline(output, like: pipeline)
    #expect(
      try json("\(output)/scheduler/scheduler_config.json")["prediction_type"] as? String == "v_prediction")
    #expect(try json("\(output)/tokenizer/tokenizer_config.json")["pad_token"] as? String == "!")
    let options = ["--prompt", "a cat", "--sampler", "ddim", "--steps", "3", "--seed", "4"]
    #expect(try images(output, options, in: folder.path) == images(pipeline, options, in: folder.path))
  }

  /// The file holds the pipeline, which diffusers' own conversion has made of it as well (`compvis.py`).
  @Test func aSingleFileBecomesItsPipeline() throws {
    let folder = try TemporaryDirectory()
    let output = "\(folder.path)/pipeline"
    let arguments = [
      "convert", Self.single, output, "--format", "diffusers", "--tokenizer", Self.tokenizer,
    ]
    let settings = [
      "unet.attention_head_dim=2", "unet.norm_num_groups=4", "unet.sample_size=8", "vae.norm_num_groups=2",
      "vae.scaling_factor=0.3", "vae.sample_size=16", "text_encoder.num_attention_heads=3",
    ].flatMap { ["--set", $0] }
    let run = try oboro(arguments + settings)
    try #require(run.exitStatus == 0, "\(run)")
    #expect(run.errors.contains("left out: model_ema"), "\(run)")
    try expectPipeline(output, like: Self.pipeline)
    let options = ["--prompt", "a cat", "--sampler", "ddim", "--steps", "3", "--seed", "4"]
    #expect(
      try images(output, options, in: folder.path) == images(Self.pipeline, options, in: folder.path))

    // The original merges file does not say what texts are padded with.
    let merged = "\(folder.path)/merged"
    let again = try oboro(
      [
        "convert", Self.single, merged, "--format", "diffusers", "--tokenizer",
        Fixture.url("tokens/merges.txt").path,
      ] + settings)
    try #require(again.exitStatus == 0, "\(again)")
    #expect(
      try json("\(merged)/tokenizer/tokenizer_config.json")["pad_token"] as? String == "<|endoftext|>")

    func fail(_ status: Int32, _ message: String, _ arguments: [String]) throws {
      expectFailure(try oboro(arguments), status, message)
    }
    try fail(74, output, arguments)
    let other = "\(folder.path)/other"
    let start = ["convert", Self.single, other, "--format", "diffusers"]
    try fail(64, "has no tokeniser, which the folder needs", start)
    try fail(
      64, "8 heads cannot split the 4 channels",
      start + [
        "--tokenizer", Self.tokenizer, "--set", "unet.block_out_channels=[4, 4]", "--set",
        "unet.norm_num_groups=4",
      ])
    try fail(64, "expected a key of unet, vae", start + ["--tokenizer", Self.tokenizer, "--set", "clip.x=1"])
    try fail(
      65, "is no file of Stable Diffusion's original program",
      [
        "convert", "\(Self.pipeline)/vae/diffusion_pytorch_model.safetensors", other, "--format", "diffusers",
        "--tokenizer", Self.tokenizer,
      ])
    #expect(!exists(other))
  }

  /// A run on latents and captions becomes a folder that draws the same, and knows of all its parts.
  @Test func aRunBecomesAPipeline() throws {
    let latents = try CaptionRuns.latents()
    let trial = try CaptionRuns.made(CaptionRuns.latent)
    try trial.trainToEnd(
      "training.steps=3", "checkpoint.every=3", dataset: "\(latents.path)/latents")
    let output = "\(trial.path)/pipeline"
    let run = try oboro(["convert", trial.run, output, "--format", "diffusers"])
    try #require(run.exitStatus == 0, "\(run)")
    for guidance in ["1", "4"] {
      let options = [
        "--prompt", "picture 3", "another one", "--sampler", "ddim", "--spacing", "trailing", "--steps", "5",
        "--seed",
        "2", "--guidance", guidance,
      ]
      #expect(try images(output, options, in: trial.path) == images(trial.run, options, in: trial.path))
    }
    let vae = try json("\(output)/vae/config.json")
    #expect((vae["scaling_factor"] as? Double ?? 0) > 0 && vae["_class_name"] as? String == "AutoencoderKL")
    #expect(try json("\(output)/unet/config.json")["sample_size"] as? Int == 8)
    #expect(try json("\(output)/scheduler/scheduler_config.json")["steps_offset"] as? Int == 1)
    expectFailure(try oboro(["convert", trial.run, output, "--format", "diffusers"]), 74, output)
  }
}
