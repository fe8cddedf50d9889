import Foundation
import Safetensors
import TestSupport
import Testing

/// Runs that train an adapter of a frozen base, or go on from one.
@Suite struct AdapterRunTests {
  private static let model =
    "model={kind: unet-2d, in_channels: 1, out_channels: 1, block_out_channels: [4, 8], down_block_types: [DownBlock2D, AttnDownBlock2D], up_block_types: [AttnUpBlock2D, UpBlock2D], norm_num_groups: 2, layers_per_block: 1, attention_head_dim: 4}"
  private static let quiet = ["sampling.every=0", "training.steps=4"]

  /// A trained model, made once.
  private static let base = Result {
    let trial = try Trial()
    try trial.trainToEnd(settings: [model] + quiet)
    return trial
  }

  private func adapter(_ keys: String = "kind: lora, rank: 2, targets: all") throws -> [String] {
    [Self.model, "base=\(try Self.base.get().run)", "adapter={\(keys)}"] + Self.quiet
  }

  /// The ranks do not show, nor that the run was stopped; the base stays as it is.
  @Test(arguments: [
    "kind: lora, rank: 2, targets: all, dropout: 0.2", "kind: lokr, rank: 1, targets: [to_q, conv1]",
    "kind: lora, rank: 2, targets: all, weight_decomposition: true",
  ])
  func ranksAndResumingChangeNothing(keys: String) throws {
    let base = try Self.base.get()
    let before = try content("\(base.checkpoint(4))/model.h5")
    let reference = try Trial()
    try reference.trainToEnd(settings: adapter(keys))
    for ranks in [2, 4] {
      let trial = try Trial()
      try trial.trainToEnd(settings: adapter(keys), ranks: ranks)
      let comparison = try oboro(["compare", reference.run, trial.run])
      #expect(comparison.exitStatus == 0, "\(comparison)")
    }
    let resumed = try Trial()
    try resumed.trainToEnd("training.steps=2", settings: adapter(keys))
    try resumed.trainToEnd("training.steps=4", settings: adapter(keys), ranks: 2)
    let comparison = try oboro(["compare", reference.run, resumed.run])
    #expect(comparison.exitStatus == 0, "\(comparison)")
    #expect(try content("\(base.checkpoint(4))/model.h5") == before)
  }

  /// What travels is the gradient of the adapter, of four projections here, and a checkpoint holds the adapter.
  @Test func onlyTheAdapterIsTrained() throws {
    let trial = try Trial()
    try trial.trainToEnd(settings: adapter("targets: [to_q], rank: 2"))
    #expect(
      trial.log.contains("frozen base") && trial.log.contains("gradient_bytes=\(4 * 2 * 8 * 2 * 4)"),
      "\(trial.log)")
    let run = try oboro(["inspect", trial.checkpoint(4), "--json"])
    #expect(run.output.contains("\"parameters\": \(4 * 2 * 8 * 2)"), "\(run)")
    let sample = try oboro([
      "sample", "--checkpoint", trial.run, "--output", "\(trial.path)/samples", "--count", "2", "--steps",
      "2",
    ])
    #expect(sample.exitStatus == 0, "\(sample)")
  }

  /// Before the first step the lengths of weights are the base's.
  @Test func decompositionBeginsWithTheBase() throws {
    let trial = try Trial()
    try trial.trainToEnd(
      "optimizer.learning_rate=0", settings: adapter("rank: 2, targets: all, weight_decomposition: true"))
    let (file, merged) = ("\(trial.path)/adapter.safetensors", "\(trial.path)/merged.safetensors")
    for arguments in [
      [trial.run, file], [trial.run, merged, "--merge"],
      [try Self.base.get().run, "\(trial.path)/base.safetensors"],
    ] {
      let run = try oboro(["convert"] + arguments)
      try #require(run.exitStatus == 0, "\(run)")
    }
    let (changed, base) = (
      try SafetensorsFile(path: merged), try SafetensorsFile(path: "\(trial.path)/base.safetensors")
    )
    for name in base.names {
      for (a, b) in zip(try changed.floats(name), try base.floats(name)) {
        #expect(abs(a - b) <= 1e-6 * max(1, abs(b)), "\(name)")
      }
    }
    let magnitudes = try SafetensorsFile(path: file).floats(
      "mid_block.attentions.0.to_q.lora_magnitude_vector")
    let weights = try base.floats("mid_block.attentions.0.to_q.weight")
    for (output, magnitude) in magnitudes.enumerated() {
      let row = weights[output * 8..<(output + 1) * 8]
      #expect(abs(magnitude - row.reduce(0) { $0 + $1 * $1 }.squareRoot()) < 1e-5)
    }
  }

  /// Out of the run as a file, and by it into the base: the same samples as of the run.
  @Test(arguments: [
    "kind: lora, rank: 2, alpha: 3, targets: all",
    "kind: lora, rank: 2, alpha: 3, targets: all, weight_decomposition: true",
  ])
  func samplesOfRunFileAndMergedModelAreTheSame(keys: String) throws {
    let trial = try Trial()
    try trial.trainToEnd(settings: adapter(keys))
    let file = "\(trial.path)/adapter.safetensors"
    let merged = "\(trial.path)/merged.safetensors"
    for arguments in [[trial.run, file], [trial.run, merged, "--merge"]] {
      let run = try oboro(["convert"] + arguments)
      try #require(run.exitStatus == 0, "\(run)")
    }
    #expect(try SafetensorsFile(path: file).names.contains("mid_block.attentions.0.to_q.lora_A.weight"))
    let restored = "\(trial.path)/restored"
    #expect(try oboro(["convert", merged, restored]).exitStatus == 0)
    let base = try Self.base.get().run
    let calls = [[trial.run], [base, "--adapter", file], [base, "--adapter", trial.run], [restored]]
    let samples = try calls.enumerated().map { index, call in
      let output = "\(trial.path)/samples-\(index)"
      let run = try oboro(
        ["sample", "--checkpoint"] + call + [
          "--output", output, "--count", "2", "--steps", "2", "--format", "numpy",
        ])
      try #require(run.exitStatus == 0, "\(run)")
      return try content("\(output)/samples.npy")
    }
    for other in samples.dropFirst() { #expect(other == samples[0]) }
    let plain = try oboro(
      [
        "sample", "--checkpoint", base, "--output", "\(trial.path)/plain", "--count", "2", "--steps", "2",
        "--format", "numpy",
      ])
    #expect(try plain.exitStatus == 0 && content("\(trial.path)/plain/samples.npy") != samples[0])
  }

  /// An average of the adapter, of a width that the run has kept, is merged like that one.
  @Test func averagesOfAnAdapterAreMerged() throws {
    let trial = try Trial()
    try trial.trainToEnd("ema={profile: power, widths: [0.1, 0.05]}", "training.steps=8", settings: adapter())
    let (merged, averaged) = ("\(trial.path)/merged.safetensors", "\(trial.path)/averaged.safetensors")
    for arguments in [
      ["convert", trial.run, merged, "--merge"],
      ["average", trial.run, "--width", "0.1", "--output", averaged],
    ] {
      let run = try oboro(arguments)
      try #require(run.exitStatus == 0, "\(run)")
    }
    let (kept, again) = (try SafetensorsFile(path: merged), try SafetensorsFile(path: averaged))
    #expect(kept.names.sorted() == again.names.sorted())
    for name in kept.names {
      for (a, b) in zip(try kept.floats(name), try again.floats(name)) {
        #expect(abs(a - b) <= 1e-5 * max(1, abs(b)), "\(name)")
      }
    }
  }

  @Test func anotherBaseIsRefused() throws {
    let trial = try Trial()
    try trial.trainToEnd("training.steps=2", settings: adapter())
    let other = try Trial()
    try other.trainToEnd("training.seed=8", settings: [Self.model] + Self.quiet)
    let arguments = try trial.arguments(adapter().map { $0.hasPrefix("base=") ? "base=\(other.run)" : $0 })
    expectFailure(try oboro(arguments), 65, "was trained with another base")
  }

  /// Without an adapter all weights move, from those of the base; the section model may be left out.
  @Test func fineTuningStartsFromTheBase() throws {
    let base = try Self.base.get()
    let trial = try Trial()
    try trial.trainToEnd(
      "optimizer.learning_rate=0", "ema.decay=0", settings: [Self.model, "base=\(base.run)"] + Self.quiet)
    let files = try [base.run, trial.run].enumerated().map { index, run in
      let path = "\(trial.path)/\(index).safetensors"
      let weights = index == 0 ? "ema" : "model"
      try #require(try oboro(["convert", run, path, "--weights", weights]).exitStatus == 0)
      return try SafetensorsFile(path: path)
    }
    for name in files[0].names { #expect(try files[0].floats(name) == files[1].floats(name), "\(name)") }
  }

  @Test func settingsThatCannotBe() throws {
    let trial = try Trial()
    func train(_ settings: String...) throws -> ProcessRun { try oboro(trial.arguments(settings)) }
    expectFailure(try train(Self.model, "adapter={rank: 2}"), 64, "adapter: needs base")
    expectFailure(try train(Self.model, "base=/nowhere"), 65, "/nowhere: there is no such base model")
    expectFailure(
      try train("base=\(try Self.base.get().run)", "adapter={rank: 2}"), 65,
      "is another model than that of the configuration")
    expectFailure(
      try train(Self.model, "base=\(try Self.base.get().run)", "adapter={targets: to_z}"), 64,
      "adapter.targets: no linear layer")
    expectFailure(
      try train(
        Self.model, "base=\(try Self.base.get().run)", "adapter={weight_decomposition: true, dropout: 0.1}"),
      64, "adapter.dropout: must be 0 with weight_decomposition")
    expectFailure(
      try train(Self.model, "base=\(try Self.base.get().run)", "adapter={text_encoder: true, targets: all}"),
      64,
      "adapter.text_encoder: is for a denoiser that is told texts")
  }
}
