import Files
import Foundation
import HDF5
import TestSupport
import Testing

/// Checkpoints on the disk: which are kept, and what happens when they are damaged.
@Suite struct CheckpointTests {
  @Test func theNewestAreKept() throws {
    let trial = try Trial()
    try trial.trainToEnd("checkpoint.keep=2", "sampling.every=0")
    #expect(names(in: "\(trial.run)/checkpoints") == ["latest", "step-00000006", "step-00000008"])
    // Relative, so that the run directory can be moved.
    #expect(try trial.record.latest == "step-00000008")
    #expect(
      names(in: trial.checkpoint(8)) == ["manifest.json", "model.h5", "optimizer-00000-of-00001.h5"])
  }

  @Test func everyZeroMeansAtTheEndOnly() throws {
    let trial = try Trial()
    try trial.trainToEnd("checkpoint.every=0", "sampling.every=0", "training.steps=3")
    #expect(names(in: "\(trial.run)/checkpoints") == ["latest", "step-00000003"])
  }

  struct Damage: CustomTestStringConvertible, Sendable {
    let testDescription: String
    /// What the warning says.
    let reason: String
    /// Damages the checkpoint in a directory.
    let apply: @Sendable (_ checkpoint: String) throws -> Void
  }

  static let damages = [
    Damage(testDescription: "a flipped byte", reason: "model.h5: was altered") {
      var bytes = try content("\($0)/model.h5")
      bytes[bytes.count / 2] ^= 1
      try bytes.write(to: URL(filePath: "\($0)/model.h5"))
    },
    Damage(
      testDescription: "a truncated file",
      reason: "optimizer-00000-of-00001.h5: has 1000 bytes, its manifest says"
    ) {
      truncate("\($0)/optimizer-00000-of-00001.h5", 1000)
    },
    Damage(testDescription: "a missing file", reason: "model.h5: is missing") { unlink("\($0)/model.h5") },
    Damage(testDescription: "no manifest", reason: "has no manifest.json") { unlink("\($0)/manifest.json") },
    Damage(testDescription: "a truncated manifest", reason: "has a damaged manifest") {
      truncate("\($0)/manifest.json", 100)
    },
    Damage(testDescription: "another number in the manifest", reason: "manifest: it was altered") {
      try replace("\"step\": 8", with: "\"step\": 9", in: "\($0)/manifest.json")
    },
    Damage(testDescription: "a newer format", reason: "has format version 2, but this program reads up to 1")
    {
      try replace("\"format_version\": 1", with: "\"format_version\": 2", in: "\($0)/manifest.json")
    },
  ]

  private static func replace(_ old: String, with new: String, in path: String) throws {
    let before = text(path)
    try #require(before.contains(old))
    try before.replacing(old, with: new).write(toFile: path, atomically: true, encoding: .utf8)
  }

  /// It is passed over; the one before it leads to the same end.
  @Test(arguments: damages) func aDamagedCheckpointIsPassedOver(damage: Damage) throws {
    let trial = try Reference.copyOfShort()
    try damage.apply(trial.checkpoint(8))
    let run = try trial.train()
    #expect(run.exitStatus == 0, "\(run)")
    #expect(trial.log.contains("warning checkpoint passed over"), "\(trial.log)")
    #expect(trial.log.contains(trial.checkpoint(8)) && trial.log.contains(damage.reason), "\(trial.log)")
    #expect(run.errors.contains("step=6"), "\(run)")
    try trial.record.expectSame(as: Reference.short.get().record)
  }

  @Test func ifAllAreDamagedTheRunDoesNotStartAnew() throws {
    let trial = try Reference.copyOfShort()
    for (step, damage) in zip([2, 4, 6, 8], Self.damages) { try damage.apply(trial.checkpoint(step)) }
    let before = names(in: "\(trial.run)/checkpoints")
    expectFailure(
      try trial.train(ranks: 2), 65, "rank 0 of 2", "none of its checkpoints is good",
      "(step-00000008, step-00000006, step-00000004, step-00000002)")
    #expect(names(in: "\(trial.run)/checkpoints") == before)
    #expect(trial.loggedSteps == 8)
  }

  @Test func whatACrashLeavesIsRemoved() throws {
    let trial = try Reference.copyOfShort()
    for name in [".step-00000009.8a91.tmp", ".step-00000001.old"] {
      try FileManager.default.createDirectory(
        atPath: "\(trial.run)/checkpoints/\(name)", withIntermediateDirectories: true)
      try Data("half".utf8).write(to: URL(filePath: "\(trial.run)/checkpoints/\(name)/model.h5"))
    }
    try trial.trainToEnd()
    #expect(names(in: "\(trial.run)/checkpoints").filter { $0.hasPrefix(".") } == [])
    try trial.record.expectSame(as: Reference.short.get().record)
  }

  /// Puts the model.h5 made by `make` into a checkpoint, with a manifest that agrees.
  private func swapModel(in checkpoint: String, _ make: (_ path: String) throws -> Void) throws {
    let path = "\(checkpoint)/model.h5"
    let old = (try WholeFile.size(path), try SHA256.digest(ofFile: path))
    unlink(path)
    try make(path)
    let manifest = "\(checkpoint)/manifest.json"
    try Self.replace(old.1, with: SHA256.digest(ofFile: path), in: manifest)
    // Both files of the short run have the same size; the model's is listed first.
    let size = "\"bytes\": \(old.0)"
    let before = text(manifest)
    let place = try #require(before.firstRange(of: size))
    let altered = before.replacingCharacters(in: place, with: "\"bytes\": \(try WholeFile.size(path))")
    let seal = try #require(altered.firstMatch(of: /"manifest_sha256": "([0-9a-f]{64})"/)).1
    try ChecksummedText.seal(altered.replacing(seal, with: ChecksummedText.blank), key: "manifest_sha256")
      .write(toFile: manifest, atomically: true, encoding: .utf8)
  }

  @Test func theCheckpointOfAnotherModelIsRefused() throws {
    let other = try Trial()
    try other.trainToEnd("model.dim=12", "training.steps=1", "sampling.every=0")
    let trial = try Reference.copyOfShort()
    try swapModel(in: trial.checkpoint(8)) { try copy("\(other.checkpoint(1))/model.h5", to: $0) }
    let message = "\(trial.checkpoint(8))/model.h5, /model/init_conv.weight: belongs to another model: "
    expectFailure(try trial.train(ranks: 2), 65, message, "[12, 1, 1, 1]", "[8, 1, 1, 1]")
    let samples = "\(trial.path)/samples"
    let run = try oboro(["sample", "--checkpoint", trial.run, "--output", samples])
    expectFailure(run, 65, "model.h5", "belongs to another model")
    #expect(!exists(samples))
  }

  @Test func aModelWithOtherNamesIsRefused() throws {
    let trial = try Reference.copyOfShort()
    try swapModel(in: trial.checkpoint(8)) { path in
      let file = try HDF5.File(creating: path)
      for name in ["model", "ema"] {
        try file.root.createGroup(name).createDataset("head.weight", of: Float.self, shape: [1]).write([
          Float(1)
        ])
      }
      try file.close()
    }
    expectFailure(
      try trial.train(), 65, "model.h5, /model: belongs to another model: it lacks ",
      " more, and has head.weight")
  }

  @Test func aModelThatIsNoHDF5IsPassedOver() throws {
    let trial = try Reference.copyOfShort()
    let before = try trial.record
    try swapModel(in: trial.checkpoint(8)) { try Data("not a model".utf8).write(to: URL(filePath: $0)) }
    let run = try trial.train()
    #expect(run.exitStatus == 0, "\(run)")
    let warning =
      "checkpoint passed over reason=\"\(trial.checkpoint(8))/model.h5: is not what a checkpoint holds"
    #expect(run.errors.contains(warning) && run.errors.contains("H5Fopen failed"), "\(run)")
    try trial.record.expectSame(as: before)
  }

  /// The names and shapes are PyTorch's, so that other programs find what they know.
  @Test func theLayoutIsAsDocumented() throws {
    let trial = try Reference.short.get()
    let model = try HDF5.File(opening: "\(trial.checkpoint(8))/model.h5").root
    let optimizer = try HDF5.File(opening: "\(trial.checkpoint(8))/optimizer-00000-of-00001.h5").root
    #expect(try model.children().sorted() == ["ema", "model"])
    #expect(try optimizer.children().sorted() == ["exp_avg", "exp_avg_sq"])
    // From the article's `Unet(dim=8, dim_mults=(1, 2), channels=1)`.
    let shapes = [
      "init_conv.weight": [8, 1, 1, 1], "init_conv.bias": [8], "time_mlp.1.weight": [32, 8],
      "downs.0.0.mlp.1.weight": [16, 32], "downs.0.1.block2.proj.weight": [8, 8, 3, 3],
      "downs.0.2.fn.fn.to_qkv.weight": [384, 8, 1, 1], "downs.0.3.1.weight": [8, 32, 1, 1],
      "downs.1.3.weight": [16, 8, 3, 3], "mid_attn.fn.norm.weight": [16],
      "ups.0.0.block1.proj.weight": [16, 24, 3, 3], "ups.1.1.res_conv.weight": [8, 16, 1, 1],
      "final_res_block.block1.norm.bias": [8], "final_conv.weight": [1, 8, 1, 1],
    ]
    let inspected = try oboro(["inspect", "--json", "\(trial.checkpoint(8))"])
    let description = try JSONSerialization.jsonObject(with: Data(inspected.output.utf8)) as? [String: Any]
    for group in [
      try model.group("model"), try model.group("ema"), try optimizer.group("exp_avg"),
      try optimizer.group("exp_avg_sq"),
    ] {
      for (name, shape) in shapes {
        let dataset = try group.dataset(name)
        #expect(dataset.shape == shape, "\(name)")
        #expect(dataset.elementType == .float32, "\(name)")
        #expect(try dataset.read(as: Float.self).allSatisfy(\.isFinite), "\(name)")
      }
      let count = try group.children().reduce(0) { try $0 + group.dataset($1).count }
      #expect(count == description?["parameters"] as? Int)
    }
  }
}
