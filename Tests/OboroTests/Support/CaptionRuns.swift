import Foundation
import NumericsTestSupport
import Pictures
import TestSupport
import Testing

/// Runs on pictures with captions, for tests.
enum CaptionRuns {
  static let pipeline = Fixture.url("pipelines/sd1").path

  /// 16 grey pictures of 8 x 8 with a caption each, some of them alike.
  static let dataset = Result<TemporaryDirectory, any Error> {
    let folder = try TemporaryDirectory()
    try FileManager.default.createDirectory(
      atPath: "\(folder.path)/pictures", withIntermediateDirectories: true)
    for index in 0..<16 {
      let samples = (0..<64).map { UInt8(($0 * (index + 3) * 7 + index) % 256) }
      try Picture(width: 8, height: 8, channels: 1, samples: samples)
        .writePNG(to: "\(folder.path)/pictures/\(index).png")
      try "picture \(index / 2) of a cat\n".write(
        toFile: "\(folder.path)/pictures/\(index).txt", atomically: true, encoding: .utf8)
    }
    let run = try oboro([
      "prepare", "images", "--source", "\(folder.path)/pictures", "--output", "\(folder.path)/data",
      "--captions", "files",
    ])
    try #require(run.exitStatus == 0, "\(run)")
    return folder
  }

  /// A U-Net beside a text encoder.
  static let denoiser = """
    model:
      kind: unet-condition
      in_channels: 1
      out_channels: 1
      block_out_channels: [4, 4]
      layers_per_block: 1
      norm_num_groups: 2
      attention_head_dim: 2
      cross_attention_dim: 12
      dropout: 0.1
      down_block_types: [CrossAttnDownBlock2D, DownBlock2D]
      up_block_types: [UpBlock2D, CrossAttnUpBlock2D]
    conditioning: {text_encoder: "\(pipeline)", caption_dropout: 0.3}
    diffusion: {timesteps: 20}
    training: {batch_size: 8, microbatches: 4, steps: 4, log_every: 1}
    checkpoint: {every: 2, keep: 0}
    sampling: {every: 4, count: 2, steps: 2, sampler: ddim, guidance: 3}

    """

  /// A run that has not been started.
  static func made(_ configuration: String) throws -> Trial {
    let trial = try Trial()
    try configuration.write(toFile: trial.configuration, atomically: true, encoding: .utf8)
    return trial
  }

  static func trainToEnd(
    _ trial: Trial, _ settings: [String] = [], ranks: Int? = nil, options: [String] = []
  ) throws {
    let run = try oboro(
      try trial.arguments(settings, dataset: "\(dataset.get().path)/data", options: options),
      ranks: ranks)
    try #require(run.exitStatus == 0, "\(run)")
  }

  /// A U-Net on latents, beside a text encoder.
  static let latent = """
    model:
      kind: unet-condition
      block_out_channels: [4, 8]
      layers_per_block: 1
      norm_num_groups: 2
      attention_head_dim: 2
      cross_attention_dim: 12
      down_block_types: [CrossAttnDownBlock2D, DownBlock2D]
      up_block_types: [UpBlock2D, CrossAttnUpBlock2D]
    conditioning: {text_encoder: "\(pipeline)"}
    autoencoder: {path: "\(pipeline)"}
    diffusion: {timesteps: 20}
    training: {batch_size: 4, microbatches: 2, steps: 2, log_every: 1}
    checkpoint: {every: 2}
    sampling: {every: 0}

    """

  /// A folder whose `latents` is a dataset of 4 colour pictures of 16 x 16 with a caption each, encoded.
  static func latents() throws -> TemporaryDirectory {
    let folder = try TemporaryDirectory()
    let source = "\(folder.path)/pictures"
    try FileManager.default.createDirectory(atPath: source, withIntermediateDirectories: true)
    for index in 0..<4 {
      let samples = (0..<768).map { UInt8(($0 * (index + 3) * 7 + index) % 256) }
      try Picture(width: 16, height: 16, channels: 3, samples: samples).writePNG(to: "\(source)/\(index).png")
      try "picture \(index)\n".write(toFile: "\(source)/\(index).txt", atomically: true, encoding: .utf8)
    }
    for arguments in [
      ["prepare", "images", "--source", source, "--output", "\(folder.path)/data"],
      [
        "encode", "--autoencoder", pipeline, "--dataset", "\(folder.path)/data", "--output",
        "\(folder.path)/latents",
      ],
    ] {
      let run = try oboro(arguments)
      try #require(run.exitStatus == 0, "\(run)")
    }
    return folder
  }
}
