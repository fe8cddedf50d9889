import Foundation
import HDF5
import Pictures
import TestSupport
import Testing

/// A denoiser that sees fields beside an image: of the reaction that the program simulates, its rates and an earlier state.
@Suite struct FieldConditionTests {
  private static let configuration = """
    model: {kind: unet-2d, in_channels: 6, out_channels: 2, block_out_channels: [4, 8], layers_per_block: 1,
      down_block_types: [DownBlock2D, DownBlock2D], up_block_types: [UpBlock2D, UpBlock2D], norm_num_groups: 4,
      padding: periodic}
    conditioning: {fields: [conditions, scalars], field_dropout: 0.3}
    diffusion: {timesteps: 5}
    training: {batch_size: 8, microbatches: 4, steps: 4, log_every: 1}
    checkpoint: {every: 2}
    sampling: {every: 2, count: 4}

    """

  private static func prepared(_ more: String..., ranks: Int? = nil) throws -> TemporaryDirectory {
    let folder = try TemporaryDirectory()
    let run = try oboro(
      [
        "prepare", "reaction-diffusion", "--size", "16", "--count", "24", "--steps", "60", "--lead", "20",
        "--output", "\(folder.path)/data",
      ] + more, ranks: ranks)
    try #require(run.exitStatus == 0, "\(run)")
    return folder
  }

  private static let dataset = Result { try prepared() }

  private static func path() throws -> String { "\(try dataset.get().path)/data" }

  private static func made() throws -> Trial {
    let trial = try Trial()
    try configuration.write(toFile: trial.configuration, atomically: true, encoding: .utf8)
    return trial
  }

  private static let trained = Result {
    let trial = try made()
    try trial.trainToEnd(dataset: try path())
    return trial
  }

  @Test func aSimulationIsTheSameOnAnyRanksAndThreads() throws {
    let expected = try content("\(Self.path())/train-00000-of-00001.h5")
    for folder in [try Self.prepared(ranks: 2), try Self.prepared("--threads", "3")] {
      #expect(try content("\(folder.path)/data/train-00000-of-00001.h5") == expected)
    }
  }

  /// The last line of training is a command that works, whatever the paths.
  @Test func theRunSaysWhatDrawsItsSamples() throws {
    let trial = try Self.made()
    let data = "\(trial.path)/it's data"
    try FileManager.default.copyItem(atPath: Self.path(), toPath: data)
    let run = try oboro(try trial.arguments(["sampling.every=0"], dataset: data))
    let conditions = #"'\#(trial.path)/it'\''s data'"#
    let command = "oboro sample --checkpoint \(trial.run) --conditions \(conditions) --output DIR"
    #expect(run.exitStatus == 0 && run.errors.contains("oboro: done; samples: \(command)"), "\(run)")
  }

  @Test func ranksAndStopsChangeNothing() throws {
    let reference = try Self.trained.get().record
    for ranks in [2, 4] {
      let trial = try Self.made()
      try trial.trainToEnd(ranks: ranks, dataset: try Self.path())
      try trial.record.expectSame(as: reference)
    }
    let stopped = try Self.made()
    try stopped.trainToEnd("training.steps=2", "sampling.every=0", ranks: 2, dataset: try Self.path())
    try stopped.trainToEnd(ranks: 4, dataset: try Self.path(), options: ["--allow-changes"])
    #expect(
      try content("\(stopped.checkpoint(4))/model.h5")
        == content("\(Self.trained.get().checkpoint(4))/model.h5"))
  }

  private func sample(
    _ trial: Trial, _ conditions: String?, _ more: String..., ranks: Int? = nil
  ) throws -> ProcessRun {
    try oboro(
      ["sample", "--checkpoint", trial.run, "--output", "\(trial.path)/samples", "--format", "numpy"]
        + (conditions.map { ["--conditions", $0] } ?? []) + more, ranks: ranks)
  }

  private func drawn(_ trial: Trial) throws -> Data { try content("\(trial.path)/samples/samples.npy") }

  @Test func conditionsComeFromADatasetOrAFile() throws {
    let trial = try Self.trained.get()
    try #require(try sample(trial, Self.path(), "--count", "6").exitStatus == 0)
    let expected = try drawn(trial)
    try #require(try sample(trial, Self.path(), "--count", "6", ranks: 2).exitStatus == 0)
    #expect(try drawn(trial) == expected)
    // The same in the units of the source.
    let shard = try HDF5.File(opening: "\(Self.path())/train-00000-of-00001.h5").root
    func restored(_ name: String, _ offset: [Double], _ scale: [Double]) throws -> [Double] {
      try shard.dataset(name).read(as: Float.self).enumerated().map {
        offset[$0.offset % 2] + scale[$0.offset % 2] * Double($0.element)
      }
    }
    let file = "\(trial.path)/conditions.h5"
    let output = try HDF5.File(creating: file)
    try output.root.createDataset("conditions", of: Double.self, shape: [24, 16, 16, 2])
      .write(restored("conditions", [0.5, 0.25], [0.5, 0.25]))
    let rates = try restored("scalars", [0.036, 0.0604], [0.006, 0.0014])
    try output.root.createDataset("scalars", of: Double.self, shape: [24, 2]).write(rates)
    try output.close()
    try #require(try sample(trial, file, "--count", "6").exitStatus == 0)
    // Rounded once more on the way.
    let (a, b) = (floats(expected), floats(try drawn(trial)))
    #expect(a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) < 1e-3 } && a.contains { $0 != 0 })
    // Other fields, other images.
    let other = try Self.prepared("--seed", "9")
    try #require(try sample(trial, "\(other.path)/data", "--count", "6").exitStatus == 0)
    #expect(try drawn(trial) != expected)
    // Guidance leads away from what is drawn without.
    try #require(
      try sample(trial, Self.path(), "--count", "6", "--set", "sampling.guidance=2").exitStatus == 0)
    #expect(try drawn(trial) != expected)
  }

  /// The values of a `.npy` file of float32.
  private func floats(_ data: Data) -> [Float] {
    let header = 10 + Int(data[8]) + 256 * Int(data[9])
    return data.dropFirst(header).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
  }

  @Test func whatIsMissingIsSaid() throws {
    let trial = try Self.trained.get()
    expectFailure(try sample(trial, nil), 64, "draws images for fields (conditions, scalars)")
    expectFailure(try sample(trial, try Trial.path()), 65, "has no field conditions")
    let made = try Self.made()
    expectFailure(
      try made.train("model.in_channels=5", dataset: try Self.path()), 64,
      "set model.in_channels to 6")
    expectFailure(
      try made.train("model.in_channels=2", dataset: try Self.path()), 64, "model.in_channels: is 2")
    expectFailure(
      try made.train("conditioning.fields=[condition]", dataset: try Self.path()), 65,
      "has no field condition (conditions?)")
    expectFailure(
      try oboro(["evaluate", "--checkpoint", trial.run, "--dataset", try Self.path()]), 64,
      "sees fields of 4 channels")
    expectFailure(
      try oboro(["convert", trial.run, "\(trial.path)/folder", "--format", "diffusers"]), 65,
      "sees fields beside an image")
  }

  /// Fields are shown by a map of colours with its numbers, and by their spectra.
  @Test func plotsAndSpectra() throws {
    let trial = try Self.trained.get()
    let grid = try ImageFile("\(trial.run)/samples/step-00000004.png").decode()
    // Two channels side by side, twice two of them, and the scale below.
    #expect(grid.channels == 3 && grid.width == 2 * (2 * 32 + 2) + 2 && grid.height > 2 * (32 + 2) + 2 + 20)
    let spectra = text("\(trial.run)/samples/step-00000004.spectra.json")
    #expect(spectra.contains("\"name\" : \"u\"") && spectra.contains("\"data\""))
    let report = try oboro(["report", trial.run, "--output", "\(trial.path)/report.html"])
    #expect(report.exitStatus == 0, "\(report)")
    let page = text("\(trial.path)/report.html")
    #expect(page.contains("Power spectra") && page.contains("Power of v by waves"))
    let output = "\(trial.path)/pictures"
    let run = try oboro([
      "sample", "--checkpoint", trial.run, "--output", output, "--count", "2", "--conditions",
      try Self.path(),
    ])
    #expect(run.exitStatus == 0 && names(in: output) == ["00000.png", "00001.png", "grid.png"], "\(run)")
  }
}
