import Foundation
import Safetensors
import TestSupport
import Testing

/// `oboro convert`, there and back.
@Suite struct ConvertTests {
  private struct Converted {
    let folder: TemporaryDirectory
    let source: Trial

    init() throws {
      folder = try TemporaryDirectory()
      source = try Reference.short.get()
    }

    func path(_ name: String) -> String { "\(folder.path)/\(name)" }

    /// Runs `oboro convert` and expects that it works.
    func convert(
      _ input: String, _ output: String, _ options: String...,
      sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let run = try oboro(["convert", input, output] + options)
      try #require(run.exitStatus == 0, "\(run)", sourceLocation: sourceLocation)
      #expect(run.output == "\(output)\n", "\(run)", sourceLocation: sourceLocation)
    }
  }

  /// The elements of all tensors of a file.
  private func tensors(_ path: String) throws -> [String: [Float]] {
    let file = try SafetensorsFile(path: path)
    return try Dictionary(uniqueKeysWithValues: file.names.map { ($0, try file.floats($0)) })
  }

  @Test func thereAndBackNothingIsLost() throws {
    let it = try Converted()
    let (first, second) = (it.path("first.safetensors"), it.path("second.safetensors"))
    try it.convert(it.source.run, first)
    try it.convert(first, it.path("back"))
    try it.convert(it.path("back"), second)
    let weights = try tensors(first)
    #expect(weights.count == 169)
    #expect(try tensors(second) == weights)
    let metadata = try SafetensorsFile(path: first).metadata
    #expect(metadata["format"] == "pt" && metadata["step"] == "8" && metadata["image_shape"] == "[16, 16, 1]")

    // What is converted is what samples are drawn with, and becomes both weights and average.
    var pictures: [Data] = []
    for (checkpoint, weights) in [
      (it.source.run, "ema"), (it.path("back"), "model"), (it.path("back"), "ema"),
    ] {
      let output = it.path("samples")
      let run = try oboro(
        ["sample", "--checkpoint", checkpoint, "--output", output, "--count", "1", "--weights", weights])
      try #require(run.exitStatus == 0, "\(run)")
      pictures.append(try content("\(output)/00000.png"))
    }
    #expect(pictures[1] == pictures[0] && pictures[2] == pictures[0])
  }

  /// As PyTorch's wrappers name the tensors of the module inside, and with what these keep beside it.
  @Test(
    arguments: [
      ("module.", [:]), ("_orig_mod.", [:]), ("module._orig_mod.", [:]), ("model.", [:]),
      ("module.module.", ["n_averaged": []]),
      ("ema_model.", ["initted": [], "step": [], "online_model.final_conv.bias": [1]]),
    ] as [(String, [String: [Int]])]) func prefixesOfWrappersAreRecognised(
      prefix: String, others: [String: [Int]]
    ) throws
  {
    let it = try Converted()
    let (plain, wrapped) = (it.path("plain.safetensors"), it.path("wrapped.safetensors"))
    try it.convert(it.source.run, plain)
    let file = try SafetensorsFile(path: plain)
    var writer = SafetensorsWriter(metadata: file.metadata)
    for name in file.names {
      writer.add(prefix + name, shape: try file.shape(of: name), floats: try file.floats(name))
    }
    for (name, shape) in others {
      writer.add(name, shape: shape, floats: [Float](repeating: 0, count: shape.reduce(1, *)))
    }
    try writer.write(to: wrapped)
    try it.convert(wrapped, it.path("checkpoint"))
    try it.convert(it.path("checkpoint"), it.path("again.safetensors"))
    #expect(try tensors(it.path("again.safetensors")) == tensors(plain))

    writer.add("\(prefix)surplus", shape: [1], floats: [0])
    try writer.write(to: wrapped)
    expectFailure(
      try oboro(["convert", wrapped, it.path("none")]), 65, "has what the model does not use: surplus")
  }

  @Test func theAverageByOption() throws {
    let it = try Converted()
    try it.convert(it.source.run, it.path("model.safetensors"), "--weights", "model")
    try it.convert("\(it.source.run)/checkpoints/latest", it.path("ema.safetensors"), "--weights", "ema")
    let (weights, ema) = (
      try tensors(it.path("model.safetensors")), try tensors(it.path("ema.safetensors"))
    )
    #expect(weights.keys == ema.keys)
    #expect(weights != ema)
  }

  /// A file with each tensor of another in a type of two bytes.
  private func narrowed(_ source: String, _ type: String, to path: String, bits: (Float) -> UInt16) throws {
    let file = try SafetensorsFile(path: source)
    var header: [String: Any] = [:]
    var data = Data()
    for name in file.names {
      let values = try file.floats(name).map { bits($0).littleEndian }
      header[name] = [
        "dtype": type, "shape": try file.shape(of: name),
        "data_offsets": [data.count, data.count + 2 * values.count],
      ]
      values.withUnsafeBytes { data.append(contentsOf: $0) }
    }
    let text = try JSONSerialization.data(withJSONObject: header)
    var bytes = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) }
    bytes.append(text)
    bytes.append(data)
    try bytes.write(to: URL(filePath: path))
  }

  @Test(arguments: ["F16", "BF16"]) func narrowerTypesAreRead(type: String) throws {
    let it = try Converted()
    let (wide, narrow, back) = (it.path("w.safetensors"), it.path("n.safetensors"), it.path("b.safetensors"))
    try it.convert(it.source.run, wide)
    let round: (Float) -> Float =
      type == "F16" ? { Float(Float16($0)) } : { Float(bitPattern: $0.bitPattern & 0xFFFF_0000) }
    try narrowed(wide, type, to: narrow) {
      type == "F16" ? Float16($0).bitPattern : UInt16($0.bitPattern >> 16)
    }
    // Files made elsewhere do not say what they are, nor how large images are.
    try it.convert(
      narrow, it.path("checkpoint"), "--config", it.source.configuration, "--set", "dataset.path=none",
      "--size", "16x16")
    try it.convert(it.path("checkpoint"), back)
    #expect(try tensors(back) == tensors(wide).mapValues { $0.map(round) })
  }

  @Test func trainingGoesOnFromWeightsMadeElsewhere() throws {
    let it = try Converted()
    let trial = try Trial()
    try it.convert(it.source.run, it.path("weights.safetensors"))
    try it.convert(it.path("weights.safetensors"), trial.checkpoint(0))
    // A step that moves nothing shows what it started from.
    try trial.trainToEnd("training.steps=1", "optimizer.learning_rate=0")
    try it.convert(trial.run, it.path("after.safetensors"))
    #expect(try tensors(it.path("after.safetensors")) == tensors(it.path("weights.safetensors")))
  }

  @Test func tensorsThatDoNotFitAreNamed() throws {
    let it = try Converted()
    let file = it.path("weights.safetensors")
    try it.convert(it.source.run, file)
    func convert(_ settings: String...) throws -> ProcessRun {
      try oboro(
        ["convert", file, it.path("new"), "--config", it.source.configuration, "--set", "dataset.path=none"]
          + settings.flatMap { ["--set", $0] })
    }
    expectFailure(
      try convert("model.dim=12"), 65,
      "weights.safetensors: downs.0.0.block1.norm.bias has shape [8], the model's is [12]")
    expectFailure(
      try convert("model.dim_mults=[1]"), 65,
      "lacks: downs.0.3.bias, downs.0.3.weight, ups.0.3.bias, ups.0.3.weight; has what the model does not use: downs.0.3.1.bias,"
    )
    expectFailure(
      try convert("model.dim_mults=[1,2,2]"), 65,
      "lacks: downs.1.3.1.bias, downs.1.3.1.weight, downs.2.0.block1.norm.bias", "and 61 more")
    #expect(names(in: it.folder.path) == ["weights.safetensors"])
  }

  @Test func whatIsWrongIsSaid() throws {
    let it = try Converted()
    let file = it.path("weights.safetensors")
    try it.convert(it.source.run, file)
    try it.convert(file, it.path("there"))
    expectFailure(
      try oboro(["convert", file, it.path("there")]), 74, "cannot create \(it.path("there")): File exists")
    expectFailure(
      try oboro(["convert", it.source.run, it.path("new")]), 64, "must be a file that ends in .safetensors")
    expectFailure(try oboro(["convert", file, it.path("x.safetensors")]), 64, "one must be a checkpoint")
    expectFailure(
      try oboro(["convert", it.path("none"), it.path("x.safetensors")]), 65, "there is no such checkpoint")
    expectFailure(try oboro(["convert", file, it.path("new"), "--size", "16x"]), 64, "such as 28x28")
    expectFailure(
      try oboro(["convert", file, it.path("new"), "--size", "15x16"]), 64,
      "height 15 is not; 14 or 16 would do")
    expectFailure(
      try oboro(["convert", file, it.path("new"), "--set", "model.dim=8"]), 64, "--set needs --config")

    let silent = it.path("silent.safetensors")
    try narrowed(file, "BF16", to: silent) { UInt16($0.bitPattern >> 16) }
    expectFailure(try oboro(["convert", silent, it.path("new")]), 65, "do not say which model", "--config")
    expectFailure(
      try oboro([
        "convert", silent, it.path("new"), "--config", it.source.configuration, "--set", "dataset.path=none",
      ]),
      65, "nothing says how large the images are", "--size")
    try content(file).dropLast(10).write(to: URL(filePath: silent))
    let run = try oboro(["convert", silent, it.path("new")])
    expectFailure(run, 65, "silent.safetensors")
    #expect(!exists(it.path("new")))
  }
}
