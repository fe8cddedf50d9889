import Checkpoints
import Foundation
import Kernels
import Pictures
import TestSupport
import Testing

/// Every kind of model, trained and sampled by the command.
@Suite struct ModelRunTests {
  /// The section `model` of a tiny model for grey images of 16 x 16 in 8 classes.
  static let models = [
    "{kind: resnet-unet, dim: 8, dim_mults: [1, 2], channels: 1, groups: 4}",
    "{kind: conditional-unet, channels: 1, width: 4, time_embed_dim: 8, classes: 8, class_dropout: 0.2}",
    "{kind: dit, image_size: 16, patch_size: 4, channels: 1, hidden_size: 16, depth: 2, heads: 2, classes: 8}",
    "{kind: attention-unet, channels: 1, image_size: 16, width: 4, time_dim: 8}",
    "{kind: unet-2d, sample_size: 16, in_channels: 1, out_channels: 1, block_out_channels: [4, 8], "
      + "layers_per_block: 1, down_block_types: [DownBlock2D, AttnDownBlock2D], num_class_embeds: 8, "
      + "up_block_types: [AttnUpBlock2D, UpBlock2D], norm_num_groups: 4, downsample_type: resnet, "
      + "upsample_type: null, dropout: 0.2, resnet_time_scale_shift: scale_shift, attn_norm_num_groups: null}",
  ]

  private func trial(_ model: String) throws -> Trial {
    let trial = try Trial()
    let configuration = Trial.configuration.replacingOccurrences(
      of: "model: {kind: annotated-unet, dim: 8, dim_mults: [1, 2], channels: 1}", with: "model: \(model)")
    try #require(configuration.contains(model))
    try configuration.write(toFile: trial.configuration, atomically: true, encoding: .utf8)
    return trial
  }

  /// Labels, their drops, batch statistics and running averages as well.
  @Test(arguments: models) func ranksThreadsAndStopsChangeNothing(model: String) throws {
    try expectSameBits(model)
  }

  /// Layers wide enough for products of rounded factors, by linear layers, convolutions and their gradients.
  @Test(arguments: [
    "{kind: dit, image_size: 16, patch_size: 2, channels: 1, hidden_size: 64, depth: 2, heads: 2, classes: 8}",
    "{kind: resnet-unet, dim: 32, dim_mults: [1, 1], channels: 1, groups: 4}",
  ]) func ranksThreadsAndStopsChangeNothingInBF16(model: String) throws {
    let losses = try expectSameBits(model, ["training.precision=bf16"])
    guard ProductPrecision.hasBFloat16Products else { return }
    let exact = try trial(model)
    try exact.trainToEnd(settings: ["sampling.every=0"])
    let expected = try exact.record.column("loss")
    #expect(losses != expected, "nothing was rounded")
    #expect(zip(losses, expected).allSatisfy { abs($0 - $1) < 0.02 * abs($1) }, "\(losses) and \(expected)")
  }

  /// Trains the same model in several ways, and expects the same bits of each.
  ///
  /// - Returns: the losses.
  @discardableResult
  private func expectSameBits(_ model: String, _ settings: [String] = []) throws -> [Double] {
    let reference = try trial(model)
    try reference.trainToEnd(settings: settings)
    let expected = try reference.record
    #expect(try expected.column("loss").allSatisfy { $0.isFinite })
    for (ranks, threads) in [(2, 1), (4, 1), (1, 3)] {
      let trial = try trial(model)
      try trial.trainToEnd(settings: settings, ranks: ranks, threads: threads)
      try trial.record.expectSame(as: expected)
    }
    // Recomputing stages at first, with buckets that leave while they do.
    let stopped = try trial(model)
    try stopped.trainToEnd(
      "training.steps=3", "sampling.every=0", "training.recompute=true", "training.bucket_bytes=1000",
      settings: settings, ranks: 2)
    try stopped.trainToEnd(settings: settings, ranks: 4, options: ["--allow-changes"])
    for name in ["model.h5", "optimizer-00000-of-00001.h5"] {
      #expect(
        try content("\(stopped.checkpoint(8))/\(name)") == content("\(reference.checkpoint(8))/\(name)"),
        "\(name)")
    }
    return try expected.column("loss")
  }

  @Test(arguments: [models[1], models[2]]) func classesAreDrawn(model: String) throws {
    let trial = try trial(model)
    // Far enough that a class shows: a transformer starts from predicting nothing.
    try trial.trainToEnd("sampling.every=0", "optimizer.learning_rate=0.05")
    func sample(_ options: String...) throws -> [String: Data] {
      let output = "\(trial.path)/samples"
      let run = try oboro(
        ["sample", "--checkpoint", trial.run, "--output", output, "--weights", "model"] + options)
      try #require(run.exitStatus == 0, "\(run)")
      return try Dictionary(
        uniqueKeysWithValues: names(in: output).map { ($0, try content("\(output)/\($0)")) })
    }
    let all = try sample("--class", "all", "--count", "2")
    #expect(all.count == 17)
    let grid = try ImageFile("\(trial.path)/samples/grid.png").decode()
    // A row of two for each of eight classes.
    #expect((grid.width, grid.height) == (2 * 66 + 2, 8 * 66 + 2))
    // The same noise, of class 1 in one and of class 0 in the other.
    let ofClass1 = try sample("--class", "1", "--count", "3")
    #expect(ofClass1["00002.png"] == all["00002.png"] && ofClass1["00001.png"] != all["00001.png"])
    #expect(
      try sample("--class", "1", "--count", "3", "--guidance", "4")["00002.png"] != ofClass1["00002.png"])
    // The checkpoint remembers the names of the dataset.
    let name = try CheckpointManifest(checkpoint: trial.checkpoint(8)).classNames[1]
    #expect(try sample("--class", name, "--count", "3")["00002.png"] == ofClass1["00002.png"])
    for (value, message) in [
      ("8", "--class 8: the model knows classes 0 to 7"),
      ("\(name)s", "no class has this name (\(name)?); there are "),
      ("-1", "--class -1: no class has this name"),
    ] {
      let wrong = try oboro([
        "sample", "--checkpoint", trial.run, "--output", "\(trial.path)/no", "--class", value,
      ])
      expectFailure(wrong, 64, message)
    }
  }

  /// A text is what it attends to, and there is none.
  @Test func aModelThatAttendsToAContextIsRefused() throws {
    let trial = try trial(
      "{kind: unet-condition, in_channels: 1, out_channels: 1, block_out_channels: [8], norm_num_groups: 4, "
        + "cross_attention_dim: 12, attention_head_dim: 2, down_block_types: [CrossAttnDownBlock2D], "
        + "up_block_types: [CrossAttnUpBlock2D]}")
    expectFailure(try trial.train(), 64, "the model attends to a context of tokens with 12 numbers")
    #expect(!exists(trial.run))
  }

  @Test func classesThatDoNotFitTheDatasetAreRefused() throws {
    let trial = try trial(Self.models[1])
    expectFailure(
      try trial.train("model.classes=5"), 64,
      "the dataset has 8 classes, model.classes is 5: set model.classes to 8")
    #expect(!exists(trial.run))
  }
}
