import Foundation
import Pictures
import TestSupport
import Testing

/// An autoencoder, trained and measured by the command.
@Suite struct AutoencoderRunTests {
  /// Latents of 8 x 8 for grey images of 16 x 16.
  static let model =
    "{kind: autoencoder-kl, in_channels: 1, out_channels: 1, latent_channels: 2, block_out_channels: [4, 8], "
    + "layers_per_block: 1, norm_num_groups: 2, down_block_types: [DownEncoderBlock2D, DownEncoderBlock2D], "
    + "up_block_types: [UpDecoderBlock2D, UpDecoderBlock2D]}"

  static let configuration = """
    model: \(model)
    autoencoder: {loss: l1, kl_weight: 1.0e-4}
    training: {task: autoencoder, batch_size: 8, microbatches: 4, steps: 8, log_every: 1}
    checkpoint: {every: 2, keep: 0}
    sampling: {every: 4, count: 3}

    """

  static func made() throws -> Trial {
    let trial = try Trial()
    try configuration.write(toFile: trial.configuration, atomically: true, encoding: .utf8)
    return trial
  }

  /// Trained once, on one process, for whoever needs one.
  static let trained = Result {
    let trial = try made()
    try trial.trainToEnd()
    return trial
  }

  @Test func ranksThreadsAndStopsChangeNothing() throws {
    let reference = try Self.trained.get()
    let expected = try reference.record
    for (ranks, threads) in [(2, 1), (4, 1), (1, 3)] {
      let trial = try Self.made()
      try trial.trainToEnd(ranks: ranks, threads: threads)
      try trial.record.expectSame(as: expected)
    }
    let stopped = try Self.made()
    try stopped.trainToEnd(
      "training.steps=3", "sampling.every=0", "training.recompute=true", "training.bucket_bytes=1000",
      ranks: 2)
    try stopped.trainToEnd(ranks: 4, options: ["--allow-changes"])
    for name in ["model.h5", "optimizer-00000-of-00001.h5"] {
      #expect(
        try content("\(stopped.checkpoint(8))/\(name)") == content("\(reference.checkpoint(8))/\(name)"),
        "\(name)")
    }
  }

  @Test func lossesAreNamedAndReconstructionsShown() throws {
    let trial = try Self.trained.get()
    let (total, distance, divergence) = (
      try trial.record.column("loss"), try column("loss_reconstruction", of: trial),
      try column("loss_kl", of: trial)
    )
    #expect(total.count == 8 && distance.count == 8 && divergence.allSatisfy { $0 > 0 })
    for step in total.indices {
      let sum: Double = distance[step] + 1e-4 * divergence[step]
      #expect(abs(total[step] - sum) < 1e-5 * sum)
    }
    // Three pairs, two in a row.
    let grid = try ImageFile("\(trial.run)/samples/step-00000004.png").decode()
    #expect((grid.width, grid.height) == (4 * 66 + 2, 2 * 66 + 2))
    let report = try oboro(["report", trial.run, "--output", "\(trial.path)/report.html"])
    #expect(report.exitStatus == 0, "\(report)")
    let page = text("\(trial.path)/report.html")
    #expect(page.contains("Loss: reconstruction") && page.contains("Loss: kl"))
  }

  private func column(_ name: String, of trial: Trial) throws -> [Double] {
    try text("\(trial.run)/metrics.jsonl").split(separator: "\n").map { line in
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      return try #require(object?[name] as? Double)
    }
  }

  @Test func itIsMeasuredOnADataset() throws {
    let trial = try Self.trained.get()
    let arguments = [
      "evaluate", "--checkpoint", trial.run, "--dataset", try Trial.path(), "--count", "20", "--json",
    ]
    let alone = try oboro(arguments)
    try #require(alone.exitStatus == 0, "\(alone)")
    let scores = try #require(
      try JSONSerialization.jsonObject(with: Data(alone.output.utf8)) as? [String: Any])
    for key in ["psnr", "ssim", "kl", "kl_per_dimension"] {
      #expect((scores[key] as? Double)?.isFinite == true, "\(key)")
    }
    #expect((scores["kl_by_channel"] as? [Double])?.count == 2)
    #expect(try oboro(arguments, ranks: 3).output == alone.output)
  }

  @Test func whatItCannotDoIsSaid() throws {
    let trial = try Self.trained.get()
    expectFailure(
      try oboro(["sample", "--checkpoint", trial.run, "--output", "\(trial.path)/no"]), 64,
      "the model is an autoencoder")
    let other = try Self.made()
    expectFailure(
      try other.train("training.task=diffusion"), 64,
      "autoencoder-kl is trained with training.task: autoencoder")
    expectFailure(
      try other.train("diffusion.timesteps=20"), 64, "diffusion: unknown key")
    expectFailure(
      try other.train("model.out_channels=3"), 64, "model.out_channels: is 3, and images have 1 channels")
  }
}
