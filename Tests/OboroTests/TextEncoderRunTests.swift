import Foundation
import Safetensors
import TestSupport
import Testing

/// Runs that train the whole text encoder together with the denoiser that attends to its texts.
@Suite struct TextEncoderRunTests {
  private static let trainsBoth = ["conditioning.train_text_encoder=true", "optimizer.learning_rate=0.02"]

  private func images(_ arguments: [String], in trial: Trial) throws -> Data {
    let output = "\(trial.path)/samples"
    let run = try oboro(
      ["sample", "--checkpoint"] + arguments
        + ["--output", output, "--prompt", "a cat", "--count", "2", "--steps", "2", "--format", "numpy"])
    try #require(run.exitStatus == 0, "\(run)")
    return try content("\(output)/samples.npy")
  }

  @Test func ranksAndResumingChangeNothing() throws {
    func trained(_ settings: [String] = [], ranks: Int? = nil) throws -> Trial {
      let trial = try CaptionRuns.made(CaptionRuns.denoiser)
      try CaptionRuns.trainToEnd(trial, Self.trainsBoth + settings, ranks: ranks)
      return trial
    }
    let reference = try trained()
    for ranks in [2, 4] { try trained(ranks: ranks).record.expectSame(as: reference.record) }
    let stopped = try trained(["training.steps=2", "training.recompute=true"], ranks: 2)
    try CaptionRuns.trainToEnd(stopped, Self.trainsBoth, ranks: 4, options: ["--allow-changes"])
    #expect(
      try content("\(stopped.checkpoint(4))/model.h5") == content("\(reference.checkpoint(4))/model.h5"))
    let frozen = try CaptionRuns.made(CaptionRuns.denoiser)
    try CaptionRuns.trainToEnd(frozen, ["optimizer.learning_rate=0.02"])
    let (losses, other) = (try reference.record.column("loss"), try frozen.record.column("loss"))
    // Texts are embedded one by one there, and in one batch here.
    #expect(abs(losses[0] - other[0]) < 1e-5 && losses.dropFirst() != other.dropFirst())
  }

  /// Training starts from the encoder's weights and, with a base, from the base's.
  @Test func trainingStartsFromTheEncoder() throws {
    let base = try CaptionRuns.made(CaptionRuns.denoiser)
    try CaptionRuns.trainToEnd(base)
    let trial = try CaptionRuns.made(CaptionRuns.denoiser)
    try CaptionRuns.trainToEnd(
      trial,
      [
        "base=\(base.run)", "optimizer.learning_rate=0", "ema.decay=0",
        "conditioning.train_text_encoder=true",
      ])
    #expect(try images([trial.run], in: trial) == images([base.run], in: trial))
    // The encoder and the denoiser of a run, in another one.
    let both = try CaptionRuns.made(CaptionRuns.denoiser)
    try CaptionRuns.trainToEnd(both, Self.trainsBoth)
    let next = try CaptionRuns.made(CaptionRuns.denoiser)
    try CaptionRuns.trainToEnd(
      next,
      [
        "base=\(both.run)", "conditioning.text_encoder=\(both.run)", "optimizer.learning_rate=0",
        "ema.decay=0",
      ])
    #expect(try images([next.run], in: trial) == images([both.run], in: trial))
  }

  /// Both networks of a run on latents go into the folder, which draws the same.
  @Test func aRunBecomesAPipeline() throws {
    let latents = try CaptionRuns.latents()
    let trial = try CaptionRuns.made(CaptionRuns.latent)
    try trial.trainToEnd(settings: Self.trainsBoth, dataset: "\(latents.path)/latents")
    let output = "\(trial.path)/pipeline"
    let run = try oboro(["convert", trial.run, output, "--format", "diffusers"])
    try #require(run.exitStatus == 0, "\(run)")
    let options = ["--sampler", "ddim", "--spacing", "trailing", "--guidance", "3", "--seed", "2"]
    #expect(try images([output] + options, in: trial) == images([trial.run] + options, in: trial))
    let file = "text_encoder/model.safetensors"
    let (made, original) = (
      try SafetensorsFile(path: "\(output)/\(file)"),
      try SafetensorsFile(path: "\(CaptionRuns.pipeline)/\(file)")
    )
    for name in original.names {
      let values = try made.floats(name.hasPrefix("text_model.") ? name : "text_model.\(name)")
      #expect(try values.allSatisfy(\.isFinite) && values != original.floats(name), "\(name)")
    }
  }

  @Test func settingsThatCannotBe() throws {
    let base = try CaptionRuns.made(CaptionRuns.denoiser)
    try CaptionRuns.trainToEnd(base, Self.trainsBoth + ["training.steps=2"])
    let trial = try CaptionRuns.made(CaptionRuns.denoiser)
    func fail(_ message: String, _ settings: String...) throws {
      let arguments = try trial.arguments(
        Self.trainsBoth + ["base=\(base.run)"] + settings, dataset: "\(CaptionRuns.dataset.get().path)/data")
      expectFailure(try oboro(arguments), 64, message)
    }
    try fail("adapter: is trained beside frozen networks", "adapter={rank: 2}")
    try fail(
      "conditioning.train_text_encoder: must be false: a control network is trained beside frozen ones",
      "model={kind: controlnet}")
    try fail("inversion: is trained beside frozen networks", "inversion={word: <cat>, initial: cat}")
    expectFailure(
      try oboro(["convert", base.run, "\(trial.path)/out.safetensors"]), 65,
      "changes its text encoder as well")
  }
}
