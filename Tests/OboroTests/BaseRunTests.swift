import Foundation
import TestSupport
import Testing

/// What a run takes over from its base: the process and the scaling of latents, and the texts that it expects.
@Suite struct BaseRunTests {
  private static let quiet = ["sampling.every=0", "training.steps=2"]
  private static let process = ["diffusion={timesteps: 30, schedule: cosine, prediction: v}"]
  private static let adapter = "adapter={rank: 2, targets: all}"

  private static let model =
    "model={kind: unet-2d, in_channels: 1, out_channels: 1, block_out_channels: [4, 8], down_block_types: [DownBlock2D, AttnDownBlock2D], up_block_types: [AttnUpBlock2D, UpBlock2D], norm_num_groups: 2, layers_per_block: 1, attention_head_dim: 4}"

  private static let base = Result {
    let trial = try Trial()
    try trial.trainToEnd(settings: [model] + process + quiet)
    return trial
  }

  private func started(_ diffusion: String, _ settings: [String]) throws -> (Trial, ProcessRun) {
    let trial = try CaptionRuns.made(
      "diffusion: {\(diffusion)}\ntraining: {batch_size: 8, microbatches: 4}\n")
    let run = try oboro(
      trial.arguments(["base=\(try Self.base.get().run)"] + Self.quiet + settings),
      environment: ["OBORO_THREADS": "1"])
    return (trial, run)
  }

  private func expect(_ keys: [String], in trial: Trial, sourceLocation: SourceLocation = #_sourceLocation)
    throws
  {
    let written = try String(contentsOfFile: "\(trial.run)/config.yaml", encoding: .utf8)
    for key in keys { #expect(written.contains(key), "\(key): \(written)", sourceLocation: sourceLocation) }
  }

  /// What is said of the loss is the run's own.
  @Test func theProcessIsTheBases() throws {
    let (trial, run) = try started("loss: l1", [Self.adapter])
    try #require(run.exitStatus == 0, "\(run)")
    try expect(["timesteps: 30", "schedule: cosine", "prediction: v", "loss: l1"], in: trial)
  }

  /// Files that were made of a run say how it was trained, also with an adapter merged.
  @Test func filesSayTheProcess() throws {
    let (trial, run) = try started("loss: l1", [Self.adapter])
    try #require(run.exitStatus == 0, "\(run)")
    let (plain, adapter) = ("\(trial.path)/plain.safetensors", "\(trial.path)/adapter.safetensors")
    let merged = "\(trial.path)/merged.safetensors"
    for arguments in [
      [try Self.base.get().run, plain], [trial.run, adapter],
      [plain, merged, "--merge", "--adapter", adapter],
    ] {
      let run = try oboro(["convert"] + arguments)
      try #require(run.exitStatus == 0, "\(run)")
    }
    for file in [plain, merged] {
      let (next, run) = try started("loss: l1", [Self.adapter, "base=\(file)"])
      try #require(run.exitStatus == 0, "\(run)")
      try expect(["timesteps: 30", "schedule: cosine", "prediction: v"], in: next)
    }
  }

  @Test func aFrozenBaseKeepsItsProcess() throws {
    let (_, run) = try started("prediction: epsilon, timesteps: 20", [Self.adapter])
    expectFailure(
      run, 65,
      "was trained with another process than that of the configuration, and is not trained further: diffusion.timesteps: 30, now 20; diffusion.prediction: v, now epsilon: leave these keys out"
    )
    let (_, other) = try started("process: flow", [Self.adapter])
    expectFailure(other, 65, "diffusion.process: ddpm, now flow: leave")
  }

  /// A model that is trained further may learn another process.
  @Test func whatIsSaidHoldsForTrainingFurther() throws {
    let (trial, run) = try started("prediction: epsilon", [])
    try #require(run.exitStatus == 0, "\(run)")
    try expect(["timesteps: 30", "schedule: cosine", "prediction: epsilon"], in: trial)
    let (flow, second) = try started("process: flow", [])
    try #require(second.exitStatus == 0, "\(second)")
    try expect(["process: flow", "timesteps: 1000"], in: flow)
  }

  /// A pipeline's scheduler and its autoencoder's scaling, which is not the measured one of these latents.
  @Test func aPipelinesProcessAndScalingAreTaken() throws {
    let folder = try CaptionRuns.latents()
    let trial = try CaptionRuns.made(
      """
      base: \(CaptionRuns.pipeline)
      conditioning: {text_encoder: "\(CaptionRuns.pipeline)"}
      autoencoder: {path: "\(CaptionRuns.pipeline)"}
      training: {batch_size: 4, microbatches: 2, steps: 1}
      adapter: {rank: 2}
      sampling: {every: 0}

      """)
    let run = try oboro(trial.arguments(dataset: "\(folder.path)/latents"))
    try #require(run.exitStatus == 0, "\(run)")
    try expect(
      [
        "timesteps: 1000", "schedule: scaled-linear", "beta_start: 0.00085", "beta_end: 0.012",
        "prediction: epsilon", "scaling_factor: 0.3",
      ], in: trial)
    let other = try CaptionRuns.made(String(contentsOfFile: trial.configuration, encoding: .utf8))
    expectFailure(
      try oboro(other.arguments(["autoencoder.scaling_factor=0.7"], dataset: "\(folder.path)/latents")), 65,
      "was trained on latents scaled by 0.3, shifted by 0.0; now they are scaled by 0.7")
    #expect(!FileManager.default.fileExists(atPath: "\(other.run)/checkpoints"))
  }

  /// A configuration that leaves out what its base and its text encoder say is described and measured as it is trained.
  @Test func whatIsLeftOutIsAlsoRead() throws {
    let trial = try CaptionRuns.made(
      """
      dataset: {path: data}
      base: \(CaptionRuns.pipeline)
      conditioning: {text_encoder: "\(CaptionRuns.pipeline)"}
      autoencoder: {path: "\(CaptionRuns.pipeline)"}
      training: {batch_size: 2, microbatches: 2}
      adapter: {rank: 2, text_encoder: attention}

      """)
    let inspected = try oboro(["inspect", trial.configuration])
    try #require(inspected.exitStatus == 0, "\(inspected)")
    for key in ["schedule: scaled-linear", "scaling_factor: 0.3", "kind: clip-text"] {
      #expect(inspected.output.contains(key), "\(key): \(inspected)")
    }
    let measured = try oboro([
      "bench", "step", "--config", trial.configuration, "--size", "8x8", "--steps", "1", "--threads", "1",
    ])
    #expect(measured.exitStatus == 0, "\(measured)")
  }

  /// Latents of one autoencoder, whatever the dataset: the factor of the run that the base is.
  @Test func aRunsScalingIsTaken() throws {
    let folder = try CaptionRuns.latents()
    let base = try CaptionRuns.made(CaptionRuns.latent)
    try #require(
      try oboro(base.arguments(["autoencoder.scaling_factor=1.25"], dataset: "\(folder.path)/latents"))
        .exitStatus == 0)
    let trial = try CaptionRuns.made(CaptionRuns.latent)
    let run = try oboro(
      trial.arguments(["base=\(base.run)", Self.adapter], dataset: "\(folder.path)/latents"))
    try #require(run.exitStatus == 0, "\(run)")
    try expect(["scaling_factor: 1.25"], in: trial)
  }

  /// A base that has changed its text encoder goes with that one.
  @Test func aChangedTextEncoderBelongsToItsBase() throws {
    let base = try CaptionRuns.made(CaptionRuns.denoiser)
    try CaptionRuns.trainToEnd(base, ["conditioning.train_text_encoder=true"] + Self.quiet)
    let data = "\(try CaptionRuns.dataset.get().path)/data"
    let settings = ["base=\(base.run)", "adapter={rank: 2}"] + Self.quiet
    let refused = try CaptionRuns.made(CaptionRuns.denoiser)
    expectFailure(
      try oboro(refused.arguments(settings, dataset: data)), 65,
      "was trained together with its text encoder, which \(CaptionRuns.pipeline) is not: set conditioning.text_encoder to \(base.run)"
    )
    #expect(!FileManager.default.fileExists(atPath: "\(refused.run)/checkpoints"))
    let named = try CaptionRuns.made(CaptionRuns.denoiser)
    try CaptionRuns.trainToEnd(named, settings + ["conditioning.text_encoder=\(base.run)"])
  }
}
