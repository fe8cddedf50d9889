import Foundation
import Safetensors
import TestSupport
import Testing

/// Runs that train an adapter of the text encoder together with one of the denoiser that attends to its texts.
@Suite struct TextAdapterRunTests {
  /// A trained denoiser, made once.
  private static let base = Result {
    let trial = try CaptionRuns.made(CaptionRuns.denoiser)
    try CaptionRuns.trainToEnd(trial, ["sampling.every=0"])
    return trial
  }

  private static let both = "kind: lora, rank: 2, alpha: 3, targets: attention, text_encoder: [q_proj, fc2]"

  private func settings(_ adapter: String = both) throws -> [String] {
    ["base=\(try Self.base.get().run)", "optimizer.learning_rate=0.02", "adapter={\(adapter)}"]
  }

  private func trained(_ settings: [String], ranks: Int? = nil) throws -> Trial {
    let trial = try CaptionRuns.made(CaptionRuns.denoiser)
    try CaptionRuns.trainToEnd(trial, settings, ranks: ranks)
    return trial
  }

  private func expectSame(_ trial: Trial, _ reference: Trial) throws {
    let comparison = try oboro(["compare", reference.run, trial.run])
    #expect(comparison.exitStatus == 0, "\(comparison)")
  }

  private func images(_ arguments: [String], prompt: String = "a cat", in trial: Trial) throws -> Data {
    let output = "\(trial.path)/samples"
    let run = try oboro(
      ["sample", "--checkpoint"] + arguments
        + ["--output", output, "--prompt", prompt, "--count", "2", "--steps", "2", "--format", "numpy"])
    try #require(run.exitStatus == 0, "\(run)")
    return try content("\(output)/samples.npy")
  }

  private func convert(_ arguments: String...) throws {
    let run = try oboro(["convert"] + arguments)
    try #require(run.exitStatus == 0, "\(run)")
  }

  /// The ranks do not show, nor that the run was stopped; both bases stay as they are.
  @Test(arguments: [
    both + ", dropout: 0.2", "kind: lokr, rank: 1, targets: [to_k, conv1], text_encoder: attention",
    "kind: lora, rank: 1, targets: attention, text_encoder: true, weight_decomposition: true",
  ])
  func ranksAndResumingChangeNothing(adapter: String) throws {
    let before = try content("\(Self.base.get().checkpoint(4))/model.h5")
    let settings = try settings(adapter) + ["conditioning.caption_chunks=2"]
    let reference = try trained(settings)
    for ranks in [2, 4] { try expectSame(trained(settings, ranks: ranks), reference) }
    let stopped = try trained(settings + ["training.steps=2"], ranks: 2)
    try CaptionRuns.trainToEnd(
      stopped, settings + ["training.recompute=true"], ranks: 4, options: ["--allow-changes"])
    #expect(
      try content("\(stopped.checkpoint(4))/model.h5") == content("\(reference.checkpoint(4))/model.h5"))
    #expect(try content("\(Self.base.get().checkpoint(4))/model.h5") == before)
  }

  /// Both adapters move, and nothing else travels: of each of 3 layers a projection of 12 to 12 and one of 24 to 12.
  @Test func bothAdaptersAreTrained() throws {
    let trial = try trained(try settings("rank: 2, targets: [to_k], text_encoder: [q_proj, fc2]"))
    let file = "\(trial.path)/adapter.safetensors"
    try convert(trial.run, file, "--format", "diffusers")
    let tensors = try SafetensorsFile(path: file)
    let text = tensors.names.filter { $0.hasPrefix("text_encoder.") }
    #expect(text.count == 2 * 2 * 3 && text.contains("text_encoder.encoder.layers.0.mlp.fc2.lora_A.weight"))
    for name in tensors.names {
      #expect(
        try tensors.floats(name).contains { $0 != 0 } && tensors.floats(name).allSatisfy(\.isFinite),
        "\(name)")
    }
    let values = try tensors.names.reduce(0) { $0 + (try tensors.floats($1).count) }
    let inspected = try oboro(["inspect", trial.checkpoint(4), "--json"])
    #expect(inspected.output.contains("\"parameters\": \(values)"), "\(inspected)")
    #expect(trial.log.contains("frozen base"))

    // The denoiser's adapter alone learns something else from the first step on.
    let alone = try trained(try settings("rank: 2, targets: [to_k]"))
    let (losses, other) = (try trial.record.column("loss"), try alone.record.column("loss"))
    // Texts are embedded one by one there, and in one batch here.
    #expect(abs(losses[0] - other[0]) < 1e-5 && losses.dropFirst() != other.dropFirst())
  }

  /// Of the run, and of the base with the run or a file of it as an adapter.
  @Test(arguments: [
    both, "kind: lora, rank: 2, targets: transformer, text_encoder: true, weight_decomposition: true",
  ])
  func samplesOfRunAndFilesAreTheSame(adapter: String) throws {
    let (trial, base) = (try trained(try settings(adapter)), try Self.base.get().run)
    let drawn = try images([trial.run], in: trial)
    #expect(try images([base], in: trial) != drawn)
    #expect(try images([base, "--adapter", trial.run], in: trial) == drawn)
    for format in ["diffusers", "kohya"] {
      let file = "\(trial.path)/\(format).safetensors"
      try convert(trial.run, file, "--format", format)
      #expect(try images([base, "--adapter", file], in: trial) == drawn, "\(format)")
      // Without the encoder's part it is another adapter.
      let whole = try SafetensorsFile(path: file)
      var part = SafetensorsWriter(metadata: whole.metadata)
      for name in whole.names where !name.hasPrefix("text_encoder.") && !name.hasPrefix("lora_te_") {
        part.add(name, shape: try whole.shape(of: name), floats: try whole.floats(name))
      }
      try part.write(to: "\(trial.path)/part.safetensors")
      #expect(try images([base, "--adapter", "\(trial.path)/part.safetensors"], in: trial) != drawn)
    }
  }

  /// A run with the adapted encoder goes on where the adapter's run has ended.
  @Test func anAdaptedEncoderEmbedsCaptions() throws {
    let trial = try trained(try settings())
    let next = try trained(
      [
        "base=\(trial.run)", "conditioning.text_encoder=\(trial.run)", "optimizer.learning_rate=0",
        "ema.decay=0",
      ])
    #expect(try images([next.run], in: trial) == images([trial.run], in: trial))
    expectFailure(
      try oboro(
        trial.arguments(
          settings() + ["conditioning.text_encoder=\(next.run)"],
          dataset: CaptionRuns.dataset.get().path + "/data")),
      65, "trains no text encoder")
  }

  @Test func settingsThatCannotBe() throws {
    let trial = try CaptionRuns.made(CaptionRuns.denoiser)
    let data = "\(try CaptionRuns.dataset.get().path)/data"
    func fail(_ status: Int32, _ message: String, _ adapter: String, _ more: String...) throws {
      expectFailure(try oboro(trial.arguments(settings(adapter) + more, dataset: data)), status, message)
    }
    try fail(64, "adapter.text_encoder: no linear layer or convolution is named to_q", "text_encoder: [to_q]")
    try fail(
      64, "adapter.text_encoder: is true, and targets has names", "targets: [to_q], text_encoder: true")
    try fail(64, "adapter.text_encoder: all is a set of modules", "text_encoder: [all, q_proj]")
    try fail(64, "text_encoder", "text_encoder: false", "text_encoder={kind: clip-text}")
    try fail(
      65, "is another text encoder than that of the configuration", "text_encoder: true",
      "text_encoder={kind: clip-text, hidden_size: 16}")
    try CaptionRuns.trainToEnd(trial, settings() + ["training.steps=2"])
    let output = "\(trial.path)/out.safetensors"
    expectFailure(try oboro(["convert", trial.run, output]), 65, "peft has a file for each model")
    expectFailure(
      try oboro(["convert", trial.run, output, "--merge"]), 65, "changes its text encoder as well")
  }

  /// An encoder that has changed since is refused by training and sampling.
  @Test func anotherEncoderIsRefused() throws {
    let folder = try TemporaryDirectory()
    let encoder = "\(folder.path)/encoder"
    try copy(CaptionRuns.pipeline, to: encoder)
    let settings = try settings() + ["conditioning.text_encoder=\(encoder)"]
    let trial = try trained(settings + ["training.steps=2"])
    let path = "\(encoder)/text_encoder/model.safetensors"
    let file = try SafetensorsFile(path: path)
    var changed = SafetensorsWriter(metadata: file.metadata)
    for name in file.names {
      changed.add(name, shape: try file.shape(of: name), floats: try file.floats(name).map { $0 * 1.5 })
    }
    try changed.write(to: path)
    expectFailure(
      try oboro(trial.arguments(settings, dataset: "\(CaptionRuns.dataset.get().path)/data")), 65,
      "was trained with texts of another text encoder")
    expectFailure(
      try oboro(["sample", "--checkpoint", trial.run, "--output", "\(trial.path)/no", "--prompt", "a cat"]),
      65,
      "was trained with texts of another text encoder")
  }

  /// A run on latents becomes a pipeline's folder whose U-Net and text encoder have the adapter.
  @Test func aMergedRunIsAPipeline() throws {
    let latents = try CaptionRuns.latents()
    let base = try CaptionRuns.made(CaptionRuns.latent)
    try base.trainToEnd(dataset: latents.path + "/latents")
    let trial = try CaptionRuns.made(CaptionRuns.latent)
    try trial.trainToEnd(
      "base=\(base.run)", "optimizer.learning_rate=0.02", "adapter={\(Self.both)}",
      dataset: latents.path + "/latents")
    let output = "\(trial.path)/pipeline"
    try convert(trial.run, output, "--merge", "--format", "diffusers")
    let options = ["--sampler", "ddim", "--spacing", "trailing", "--guidance", "3", "--seed", "2"]
    let drawn = try images([trial.run] + options, in: trial)
    #expect(try images([output] + options, in: trial) == drawn)
    #expect(try images([base.run] + options, in: trial) != drawn)
  }
}
