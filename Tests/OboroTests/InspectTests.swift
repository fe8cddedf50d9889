import Foundation
import TestSupport
import Testing

@Suite struct InspectTests {
  private func json(_ path: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> [String: Any]
  {
    let run = try oboro(["inspect", "--json", path])
    try #require(run.exitStatus == 0 && run.errors == "", "\(run)", sourceLocation: sourceLocation)
    let object = try JSONSerialization.jsonObject(with: Data(run.output.utf8))
    return try #require(object as? [String: Any], sourceLocation: sourceLocation)
  }

  @Test func aDataset() throws {
    let description = try json(Trial.path())
    #expect(description["kind"] as? String == "dataset")
    #expect(description["images"] as? Int == 200)
    #expect(description["channels"] as? Int == 1)
    #expect((description["classes"] as? [String])?.count == 8)
    let fields = try #require(description["fields"] as? [[String: Any]])
    #expect(fields.map { $0["role"] as? String } == ["image", "label"])
    let shards = try #require(description["shards"] as? [[String: Any]])
    #expect(shards.map { $0["images"] as? Int } == [100, 100])
    #expect(shards.last?["file"] as? String == "train-00001-of-00002.h5")
  }

  @Test func aShard() throws {
    let description = try json("\(Trial.path())/train-00000-of-00002.h5")
    let datasets = try #require(description["datasets"] as? [[String: Any]])
    #expect(datasets.map { $0["name"] as? String } == ["/images", "/labels"])
    #expect(datasets.map { $0["shape"] as? [Int] } == [[100, 16, 16, 1], [100]])
    #expect(datasets.map { $0["type"] as? String } == ["uint8", "int32"])
  }

  @Test func aCheckpoint() throws {
    let trial = try Reference.short.get()
    for path in [trial.checkpoint(8), "\(trial.run)/checkpoints/latest"] {
      let description = try json(path)
      #expect(description["kind"] as? String == "checkpoint")
      #expect(description["step"] as? Int == 8)
      #expect(description["images"] as? Int == 64)
      #expect(description["image_shape"] as? [Int] == [16, 16, 1])
      let configuration = try #require(description["configuration"] as? [String: [String: Any]])
      #expect(configuration["model"]?["dim_mults"] as? [Int] == [1, 2])
    }
    let model = try json("\(trial.checkpoint(8))/model.h5")
    #expect(
      (model["datasets"] as? [[String: Any]])?.contains { $0["name"] as? String == "/ema/init_conv.bias" }
        == true)
  }

  @Test func aSafetensorsFile() throws {
    let folder = try TemporaryDirectory()
    let path = "\(folder.path)/weights.safetensors"
    let run = try oboro(["convert", Reference.short.get().run, path])
    try #require(run.exitStatus == 0, "\(run)")
    let description = try json(path)
    #expect(description["kind"] as? String == "safetensors")
    #expect(description["values"] as? Int == 73841)
    let metadata = try #require(description["metadata"] as? [String: Any])
    #expect(metadata["format"] as? String == "pt")
    #expect((metadata["model"] as? [String: Any])?["dim_mults"] as? [Int] == [1, 2])
    let tensors = try #require(description["tensors"] as? [[String: Any]])
    let bias = try #require(tensors.first { $0["name"] as? String == "init_conv.bias" })
    #expect(bias["type"] as? String == "F32" && bias["shape"] as? [Int] == [8])
    expectFailure(try oboro(["inspect", "--verify", path]), 65, "can be verified")
  }

  @Test func aConfigurationByOption() throws {
    let trial = try Trial()
    let byPath = try oboro(["inspect", trial.configuration])
    // The dataset's path is missing in it, for either.
    expectFailure(byPath, 64, "dataset.path")
    let run = try Reference.short.get().run
    let shown = try oboro(["inspect", "--config", "\(run)/config.yaml"])
    try #require(shown.exitStatus == 0, "\(shown)")
    #expect(try oboro(["inspect", "\(run)/config.yaml"]).output == shown.output)
    #expect(shown.output.contains("final_conv") && shown.output.contains("total"))
    expectFailure(try oboro(["inspect"]), 64, "name one thing to inspect")
    expectFailure(
      try oboro(["inspect", run, "--config", trial.configuration]), 64, "name one thing to inspect")
  }

  @Test func aRun() throws {
    let trial = try Reference.copyOfShort()
    truncate("\(trial.checkpoint(6))/model.h5", 5000)
    let description = try json(trial.run)
    #expect(description["kind"] as? String == "run")
    #expect(description["step"] as? Int == 8 && description["steps"] as? Int == 8)
    let loss = try #require(description["loss"] as? Double)
    #expect(try Float(loss) == Float(trial.record.column("loss")[7]))
    let checkpoints = try #require(description["checkpoints"] as? [[String: Any]])
    #expect(checkpoints.map { $0["step"] as? Int } == [8, 6, 4, 2])
    let states = checkpoints.map { $0["state"] as? String ?? "" }
    #expect([0, 2, 3].allSatisfy { states[$0] == "good" })
    #expect(states[1].hasPrefix("damaged: ") && states[1].contains("has 5000 bytes"))
  }

  /// A run that logs less often than it saves is as far as its newest checkpoint.
  @Test func aRunWithoutMetrics() throws {
    let trial = try Reference.copyOfShort()
    unlink("\(trial.run)/metrics.jsonl")
    let description = try json(trial.run)
    #expect(description["step"] as? Int == 8)
    #expect(description["loss"] is NSNull)
  }

  @Test func aConfiguration() throws {
    let trial = try Trial()
    let path = "\(trial.path)/complete.yaml"
    try (Trial.configuration + "dataset: {path: data}\n").write(
      toFile: path, atomically: true, encoding: .utf8)
    let description = try json(path)
    #expect(description["kind"] as? String == "configuration")
    #expect(description["image_size"] as? String == "multiples of 2")
    let configuration = try #require(description["configuration"] as? [String: [String: Any]])
    #expect(configuration["optimizer"]?["eps"] as? Double == 1e-8)
    expectFailure(try oboro(["inspect", trial.configuration]), 64, "dataset.path: is missing")
  }

  /// The model is there too: of a configuration and of a checkpoint, in a table and in JSON.
  @Test func aModel() throws {
    let trial = try Reference.short.get()
    let model = try #require(json(trial.checkpoint(8))["model"] as? [String: Any])
    #expect(model["image_shape"] as? [Int] == [16, 16, 1])
    let layers = try #require(model["layers"] as? [[String: Any]])
    #expect(layers.first?["name"] as? String == "init_conv")
    let tensors = try #require(layers.first?["tensors"] as? [[String: Any]])
    #expect(tensors.map { $0["name"] as? String } == ["init_conv.weight", "init_conv.bias"])
    #expect(tensors.map { $0["shape"] as? [Int] } == [[8, 1, 1, 1], [8]])
    #expect(
      layers.reduce(0) { $0 + ($1["parameters"] as? Int ?? 0) } == model["parameters"] as? Int)
    // 16 x 16 pixels of 8 channels from one; the image needs no gradient.
    #expect(layers.first?["forward_flops"] as? Int == 2 * 16 * 16 * 8)
    #expect(layers.first?["flops"] as? Int == 2 * 2 * 16 * 16 * 8)
    let run = try oboro(["inspect", trial.checkpoint(8)])
    let table = run.outputLines.drop { !$0.hasPrefix("layer ") }
    #expect(table.count == layers.count + 3, "\(run)")
    #expect(table.contains { $0.hasPrefix("init_conv ") && $0.contains("weight 8x1x1x1, bias 8") }, "\(run)")
    #expect(table.contains { $0.hasPrefix("total ") }, "\(run)")
    expectFailure(
      try oboro(["inspect", trial.checkpoint(8), "--size", "15x16"]), 64,
      "height 15 is not; 14 or 16 would do")
  }

  @Test func forPeopleItIsYAML() throws {
    let trial = try Reference.short.get()
    for (path, lines) in [
      (try Trial.path(), ["kind: dataset", "height: 16"]),
      (trial.run, ["kind: run", "  training:", "    steps: 8"]),
      (trial.checkpoint(8), ["kind: checkpoint", "step: 8"]),
    ] {
      let run = try oboro(["inspect", path])
      #expect(run.exitStatus == 0 && run.errors == "", "\(run)")
      for line in lines { #expect(run.outputLines.contains { $0 == line }, "\(run)") }
    }
  }

  @Test func underMPIRunItIsSaidOnce() throws {
    let run = try oboro(["inspect", Trial.path()], ranks: 2)
    #expect(run.exitStatus == 0, "\(run)")
    #expect(run.outputLines.count { $0 == "kind: dataset" } == 1, "\(run)")
  }

  @Test func nonsenseIsRefused() throws {
    let folder = try TemporaryDirectory()
    let unknown = "is no dataset, shard, checkpoint, run directory, configuration or safetensors file"
    expectFailure(try oboro(["inspect", folder.path], ranks: 2), 65, "\(folder.path): \(unknown)")
    expectFailure(
      try oboro(["inspect", "\(folder.path)/x"]), 65, "\(folder.path)/x: there is no such file or directory")
    for (name, text, status, message) in [
      ("a.h5", "text", 65, "H5Fopen failed"), ("a.yaml", "dim: [", 64, "is no YAML"),
      ("a.bin", "x", 65, unknown), ("dataset.json", "{}", 65, unknown),
    ] {
      let path = "\(folder.path)/\(name)"
      try Data(text.utf8).write(to: URL(filePath: path))
      expectFailure(try oboro(["inspect", path]), Int32(status), path, message)
    }
    // Now the folder claims to be a dataset.
    expectFailure(try oboro(["inspect", folder.path]), 65, "dataset.json: is not a dataset's manifest")
  }
}
