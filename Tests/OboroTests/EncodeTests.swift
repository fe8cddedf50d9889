import Foundation
import HDF5
import TestSupport
import Testing

/// A dataset encoded, a denoiser trained on its latents, and images drawn with both, by the command.
@Suite struct EncodeTests {
  private func encode(
    _ options: String..., to output: String, dataset: String? = nil, autoencoder: String? = nil,
    ranks: Int? = nil
  ) throws -> ProcessRun {
    try oboro(
      [
        "encode", "--autoencoder", autoencoder ?? AutoencoderRunTests.trained.get().run, "--dataset",
        dataset ?? Trial.path(), "--output", output,
      ] + options, ranks: ranks)
  }

  /// By name, all files of a directory.
  private func files(_ directory: String) throws -> [String: Data] {
    try Dictionary(uniqueKeysWithValues: names(in: directory).map { ($0, try content("\(directory)/\($0)")) })
  }

  private func manifest(_ directory: String) throws -> [String: Any] {
    try #require(
      try JSONSerialization.jsonObject(with: content("\(directory)/dataset.json")) as? [String: Any])
  }

  @Test func ranksAndBatchesChangeNoByte() throws {
    let folder = try TemporaryDirectory()
    let reference = "\(folder.path)/reference"
    let run = try encode("--flips", to: reference)
    try #require(run.exitStatus == 0, "\(run)")
    #expect(run.output.contains("200 of 200 samples encoded"))
    let expected = try files(reference)
    #expect(expected.count == 2)
    for (ranks, batch) in [(nil, 1), (2, 16), (4, 3)] as [(Int?, Int)] {
      let output = "\(folder.path)/\(ranks ?? 1)-\(batch)"
      let other = try encode("--flips", "--batch", "\(batch)", to: output, ranks: ranks)
      try #require(other.exitStatus == 0, "\(other)")
      #expect(try files(output) == expected, "\(ranks ?? 1) ranks, batches of \(batch)")
    }
  }

  @Test func onlyWhatIsMissingOrChangedIsEncoded() throws {
    let folder = try TemporaryDirectory()
    let output = "\(folder.path)/latents"
    #expect(try encode(to: output).exitStatus == 0)
    let first = try files(output)
    let again = try encode(to: output)
    #expect(again.exitStatus == 0 && again.output.contains("nothing to encode"), "\(again)")
    #expect(try files(output) == first)
    // Other images, other latents.
    let others = try encode(to: output, dataset: Trial.path(of: Trial.otherDataset))
    #expect(others.output.contains("200 of 200 samples encoded"), "\(others)")
    #expect(try files(output) != first)
    // Another type, too.
    #expect(try encode("--type", "float16", to: output).output.contains("200 of 200 samples encoded"))
    let encoding = try #require(try manifest(output)["encoding"] as? [String: Any])
    #expect((encoding["scaling_factor"] as? Double ?? 0) > 0)
    expectFailure(
      try encode(to: Trial.path()), 65, "holds a dataset that encode did not make")
  }

  /// A value that became NaN after the dataset was made: `prepare` lets none in.
  @Test func nonFiniteImagesAreNamed() throws {
    let folder = try TemporaryDirectory()
    let (source, data) = ("\(folder.path)/source.h5", "\(folder.path)/data")
    let file = try HDF5.File(creating: source)
    let odd: Float = 0.123456789
    var values: [Float] = (0..<1280).map { Float($0 % 13) / 13 }
    values[3 * 256 + 77] = odd
    try file.root.createDataset("x", of: Float.self, shape: [5, 16, 16]).write(values)
    try file.close()
    let prepared = try oboro([
      "prepare", "hdf5", "--source", source, "--images", "x", "--output", data,
    ])
    try #require(prepared.exitStatus == 0, "\(prepared)")
    let shard = "\(data)/train-00000-of-00001.h5"
    var bytes = try content(shard)
    func pattern(_ value: Float) -> Data { withUnsafeBytes(of: value.bitPattern.littleEndian) { Data($0) } }
    bytes.replaceSubrange(try #require(bytes.range(of: pattern(odd))), with: pattern(.nan))
    try bytes.write(to: URL(filePath: shard))
    expectFailure(
      try encode(to: "\(folder.path)/latents", dataset: data, ranks: 2), 65, "image 3 holds NaN or infinity")
  }

  static let configuration = """
    model: {kind: unet-2d, in_channels: 2, out_channels: 2, block_out_channels: [4, 8], layers_per_block: 1, \
    down_block_types: [DownBlock2D, DownBlock2D], up_block_types: [UpBlock2D, UpBlock2D], norm_num_groups: 4}
    diffusion: {timesteps: 20}
    training: {batch_size: 8, microbatches: 4, steps: 4, log_every: 1}
    checkpoint: {every: 2, keep: 0}
    sampling: {every: 4, count: 3}

    """

  @Test func denoisersOfLatentsAreExactAndKnowTheirAutoencoder() throws {
    let folder = try TemporaryDirectory()
    let latents = "\(folder.path)/latents"
    #expect(try encode("--flips", to: latents).exitStatus == 0)
    let autoencoder = try AutoencoderRunTests.trained.get().run
    let settings = ["autoencoder.path=\(autoencoder)", "dataset.horizontal_flip=true"]
    func trial() throws -> Trial {
      let trial = try Trial()
      try Self.configuration.write(toFile: trial.configuration, atomically: true, encoding: .utf8)
      return trial
    }
    let reference = try trial()
    try reference.trainToEnd(settings: settings, dataset: latents)
    let parallel = try trial()
    try parallel.trainToEnd("training.steps=2", settings: settings, ranks: 2, dataset: latents)
    try parallel.trainToEnd(settings: settings, ranks: 4, dataset: latents, options: ["--allow-changes"])
    for name in ["model.h5", "optimizer-00000-of-00001.h5"] {
      #expect(
        try content("\(parallel.checkpoint(4))/\(name)") == content("\(reference.checkpoint(4))/\(name)"),
        "\(name)")
    }
    let sample = ["sample", "--checkpoint", reference.run, "--count", "2"]
    let drawn = try oboro(sample + ["--output", "\(folder.path)/samples"])
    #expect(drawn.exitStatus == 0, "\(drawn)")
    #expect(names(in: "\(folder.path)/samples") == ["00000.png", "00001.png", "grid.png"])

    // Another autoencoder: its own weights, not their average, are others.
    let other = try AutoencoderRunTests.made()
    try other.trainToEnd("training.seed=1", "training.steps=2", "sampling.every=0")
    expectFailure(
      try oboro(sample + ["--output", "\(folder.path)/no", "--autoencoder", other.run]), 65,
      "was trained on latents of another autoencoder")
    expectFailure(
      try reference.train("autoencoder.path=\(other.run)", dataset: latents), 65,
      "holds latents of another autoencoder")
    expectFailure(
      try reference.train("autoencoder.path=\(autoencoder)"), 65, "holds no latents")
  }
}
