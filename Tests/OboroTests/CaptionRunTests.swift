import Foundation
import NumericsTestSupport
import Pictures
import TestSupport
import Testing

/// Models that learn from captions, trained and used by the command: a U-Net beside a frozen text encoder, and CLIP.
@Suite struct CaptionRunTests {
  private static let pipeline = CaptionRuns.pipeline
  private static let tokenizer = Fixture.url("tokens/sd1").path
  private static let dataset = CaptionRuns.dataset
  private static let denoiser = CaptionRuns.denoiser

  private static let clip = """
    model:
      kind: clip
      projection_dim: 6
      logit_scale_init_value: 4.6
      text_config: {vocab_size: 1114, hidden_size: 12, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 2, eos_token_id: 1113}
      vision_config: {hidden_size: 8, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 2, image_size: 8, patch_size: 4, num_channels: 1}
    conditioning: {tokenizer: "\(tokenizer)"}
    optimizer: {learning_rate: 0.01}
    training: {task: contrastive, batch_size: 8, microbatches: 4, steps: 4, log_every: 1}
    checkpoint: {every: 2, keep: 0}

    """

  private func made(_ configuration: String) throws -> Trial { try CaptionRuns.made(configuration) }

  private func trainToEnd(
    _ trial: Trial, _ settings: [String] = [], ranks: Int? = nil, options: [String] = []
  ) throws {
    try CaptionRuns.trainToEnd(trial, settings, ranks: ranks, options: options)
  }

  @Test(arguments: [denoiser, clip]) func ranksAndStopsChangeNothing(configuration: String) throws {
    let reference = try made(configuration)
    try trainToEnd(reference)
    let expected = try reference.record
    for ranks in [2, 4] {
      let trial = try made(configuration)
      try trainToEnd(trial, ranks: ranks)
      try trial.record.expectSame(as: expected)
    }
    let stopped = try made(configuration)
    try trainToEnd(stopped, ["training.steps=2", "training.recompute=true"], ranks: 2)
    try trainToEnd(stopped, ranks: 4, options: ["--allow-changes"])
    #expect(
      try content("\(stopped.checkpoint(4))/model.h5") == content("\(reference.checkpoint(4))/model.h5"))
  }

  /// The loss is that of the whole batch, however it is cut.
  @Test func theContrastIsThatOfTheWholeBatch() throws {
    let losses = try ["4", "1"].map { microbatches in
      let trial = try made(Self.clip)
      try trainToEnd(trial, ["training.microbatches=\(microbatches)"])
      return try trial.record.column("loss")
    }
    for (cut, whole) in zip(losses[0], losses[1]) { #expect(abs(cut - whole) < 1e-4 * whole) }
  }

  @Test func promptsDrawWithWhatWasTrained() throws {
    let trial = try made(Self.denoiser)
    try trainToEnd(trial)
    let output = "\(trial.path)/samples"
    func images(_ prompt: String, ranks: Int? = nil) throws -> Data {
      let run = try oboro(
        [
          "sample", "--checkpoint", trial.run, "--output", output, "--prompt", prompt, "--count", "2",
          "--steps",
          "2", "--format", "numpy",
        ], ranks: ranks)
      try #require(run.exitStatus == 0, "\(run)")
      return try content("\(output)/samples.npy")
    }
    let cat = try images("a cat")
    #expect(try images("a cat", ranks: 2) == cat)
    #expect(try images("a dog") != cat)
    expectFailure(
      try oboro(["sample", "--checkpoint", trial.run, "--output", "\(trial.path)/no"]), 64,
      "give it one with --prompt")
  }

  /// Only the vectors of a new word are trained; ranks and stops do not show. As a file it is the same word for the base.
  @Test func aNewWordIsLearned() throws {
    let base = try made(Self.denoiser)
    try trainToEnd(base)
    let inversion = [
      "base=\(base.run)", "conditioning.caption_dropout=0.3", "optimizer.learning_rate=0.05",
      "inversion={word: <cat>, vectors: 2, initial: cat, template: a picture of <cat>}",
    ]
    let reference = try made(Self.denoiser)
    try trainToEnd(reference, inversion)
    #expect(reference.log.contains("frozen base") && reference.log.contains("gradient_bytes=\(4 * 32)"))
    for ranks in [2, 4] {
      let trial = try made(Self.denoiser)
      try trainToEnd(trial, inversion, ranks: ranks)
      let comparison = try oboro(["compare", reference.run, trial.run])
      #expect(comparison.exitStatus == 0, "\(comparison)")
    }
    let stopped = try made(Self.denoiser)
    try trainToEnd(stopped, inversion + ["training.steps=2"], ranks: 2)
    try trainToEnd(stopped, inversion)
    let comparison = try oboro(["compare", reference.run, stopped.run])
    #expect(comparison.exitStatus == 0, "\(comparison)")

    let file = "\(reference.path)/word.safetensors"
    try #require(try oboro(["convert", reference.run, file]).exitStatus == 0)
    func images(_ run: String, _ prompt: String, _ more: [String] = []) throws -> Data {
      let output = "\(reference.path)/samples"
      let result = try oboro(
        [
          "sample", "--checkpoint", run, "--output", output, "--prompt", prompt, "--count", "2", "--steps",
          "2",
        ]
          + ["--format", "numpy"] + more)
      try #require(result.exitStatus == 0, "\(result)")
      return try content("\(output)/samples.npy")
    }
    let drawn = try images(reference.run, "a <cat>")
    for path in [file, reference.run] {
      #expect(try images(base.run, "a <cat>", ["--embedding", path]) == drawn)
    }
    #expect(try images(base.run, "a <cat>") != drawn)
    #expect(try images(base.run, "a cat") == images(reference.run, "a cat"))
    func fail(_ setting: String, _ message: String) throws {
      let settings = inversion.filter { !$0.hasPrefix("inversion") } + ["inversion=\(setting)"]
      let trial = try made(Self.denoiser)
      expectFailure(
        try oboro(trial.arguments(settings, dataset: "\(Self.dataset.get().path)/data")), 64, message)
    }
    try fail("{word: a cat, initial: cat}", "inversion.word: is \"a cat\"")
    try fail(
      "{word: <cat>, initial: cat, template: a cat}", "inversion.template: does not have the word <cat>")
    try fail("{word: <cat>, initial: cat}", "none of its captions has the word <cat>")
    try fail("{word: <cat>, initial: \"\", template: <cat>}", "has no tokens")
  }

  /// A CLIP that was trained here embeds the captions of a denoiser; another one in its place is refused.
  @Test func aClipOfOnesOwnEmbedsCaptions() throws {
    let clip = try made(Self.clip)
    try trainToEnd(clip)
    let trial = try made(Self.denoiser)
    try trainToEnd(trial, ["conditioning.text_encoder=\(clip.run)", "training.steps=2"])
    let other = try oboro(
      try trial.arguments([], dataset: "\(Self.dataset.get().path)/data"))
    expectFailure(other, 65, "was trained with texts of another text encoder")
  }

  /// Pictures with one to three captions, of which each step takes one, longer than the encoder takes.
  @Test(arguments: [denoiser, clip]) func eachStepTakesAnyCaption(configuration: String) throws {
    let folder = try TemporaryDirectory()
    try copy("\(try Self.dataset.get().path)/pictures", to: "\(folder.path)/pictures")
    for index in 0..<16 {
      let lines = (0...index % 3).map { "caption \($0) " + String(repeating: "of cats ", count: 30 * $0) }
      try lines.joined(separator: "\n").write(
        toFile: "\(folder.path)/pictures/\(index).txt", atomically: true, encoding: .utf8)
    }
    let data = "\(folder.path)/data"
    let prepared = try oboro([
      "prepare", "images", "--source", "\(folder.path)/pictures", "--output", data, "--captions", "lines",
    ])
    try #require(prepared.exitStatus == 0, "\(prepared)")
    func trained(_ ranks: Int?, _ settings: [String] = []) throws -> RunRecord {
      let trial = try made(configuration)
      let run = try oboro(try trial.arguments(settings, dataset: data), ranks: ranks)
      try #require(run.exitStatus == 0, "\(run)")
      return try trial.record
    }
    let expected = try trained(nil)
    for ranks in [2, 4] { try trained(ranks).expectSame(as: expected) }
    guard configuration == Self.denoiser else { return }
    let chunked = try trained(nil, ["conditioning.caption_chunks=2"])
    #expect(try chunked.column("loss") != expected.column("loss"))
    try trained(2, ["conditioning.caption_chunks=2"]).expectSame(as: chunked)
    let both = ["conditioning.caption_chunks=2", "conditioning.train_text_encoder=true"]
    let together = try trained(nil, both)
    #expect(try together.column("loss") != chunked.column("loss"))
    try trained(4, both).expectSame(as: together)
  }

  /// Captions are what a model that reads texts draws for a comparison, and a CLIP tells how it follows them.
  @Test func aRunIsComparedByWhatItDrawsOfCaptions() throws {
    let (trial, clip, data) = (
      try made(Self.denoiser), try made(Self.clip), "\(try Self.dataset.get().path)/data"
    )
    try trainToEnd(trial)
    try trainToEnd(clip)
    let arguments = [
      "evaluate", "--generated", trial.run, "--reference", data, "--clip", clip.run, "--count", "8", "--json",
      "--steps", "2",
    ]
    let alone = try oboro(arguments)
    try #require(alone.exitStatus == 0, "\(alone)")
    let values = try #require(
      try JSONSerialization.jsonObject(with: Data(alone.output.utf8)) as? [String: Any])
    for key in ["fid", "kid", "cmmd", "cmmd_error", "clip_score", "clip_score_shuffled"] {
      #expect((values[key] as? Double)?.isFinite == true, "\(key)\n\(alone)")
    }
    #expect(try oboro(arguments, ranks: 2).output == alone.output)

    // The same pictures, written: they say themselves what they show.
    let output = "\(trial.path)/samples"
    let drawn = try oboro(
      ["sample", "--checkpoint", trial.run, "--output", output, "--steps", "2", "--count", "8", "--prompt"]
        + ["picture 1 of a cat", "picture 2 of a cat"])
    try #require(drawn.exitStatus == 0, "\(drawn)")
    let written = try oboro(["evaluate", "--generated", output, "--clip", clip.run, "--json"])
    try #require(written.exitStatus == 0, "\(written)")
    #expect(written.output.contains("clip_score_shuffled\"") && !written.output.contains("fid"))
    // A set of real pictures has captions of its own.
    let real = try oboro(["evaluate", "--generated", data, "--clip", clip.run])
    #expect(real.exitStatus == 0 && real.output.contains("CLIP score of other texts"), "\(real)")
  }

  /// A pipeline's folder draws what a run does; it needs captions from somewhere.
  @Test func aPipelineIsCompared() throws {
    let (data, reference) = (
      "\(try Self.dataset.get().path)/data", try Trial.path(of: Trial.colourDataset)
    )
    let arguments = [
      "evaluate", "--generated", Self.pipeline, "--reference", reference, "--count", "6", "--steps", "2",
      "--json",
    ]
    let alone = try oboro(arguments + ["--captions", data])
    try #require(alone.exitStatus == 0, "\(alone)")
    #expect(alone.output.contains("\"kid\""))
    #expect(try oboro(arguments + ["--captions", data], ranks: 2).output == alone.output)
    expectFailure(try oboro(arguments), 64, "name a dataset with --captions")
  }

  @Test func whatDoesNotFitIsSaid() throws {
    let data = "\(try Self.dataset.get().path)/data"
    let trial = try made(Self.denoiser)
    func fail(_ trial: Trial, _ status: Int32, _ message: String, _ settings: String..., dataset: String)
      throws
    {
      expectFailure(try oboro(try trial.arguments(settings, dataset: dataset)), status, message)
    }
    try fail(trial, 64, "holds no captions", dataset: try Trial.path())
    try fail(
      trial, 64, "set model.cross_attention_dim to 12", "model.cross_attention_dim=16", dataset: data)
    try fail(trial, 65, "no-encoder", "conditioning.text_encoder=\(trial.path)/no-encoder", dataset: data)
    let clip = try made(Self.clip)
    try fail(clip, 64, "ends a text with 1113", "model.text_config.eos_token_id=5", dataset: data)
    try fail(clip, 64, "the model is made for images of 8x8x1", dataset: try Trial.path())
  }
}
